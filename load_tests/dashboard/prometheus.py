"""A real Prometheus for a while: scrapes workers often, and evaluates the rules with their hours shortened to seconds."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from load_tests.dashboard.promql import quickened, shortened
from load_tests.dashboard.rules import RULES
from tests.harness.distribution import HarnessError
from tests.harness.kafka import free_ports
from tests.harness.processes import Guarded

JOB = "moderation-worker"
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Time between scrapes in seconds, and by how much the rules' ranges, offsets and patience are divided."""

    scrape: float
    quicken: float


@dataclass(frozen=True, slots=True)
class Series:
    """What a query returned for one set of labels: times and values, without those that are no numbers."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Prometheus:
    """A server on 127.0.0.1. A context manager. Raises HarnessError where it cannot run."""

    def __init__(self, folder: Path, targets: Sequence[str], pace: Pace) -> None:
        [port] = free_ports(1)
        self.pace = pace
        self._folder = folder
        self._targets = list(targets)
        self._address = f"127.0.0.1:{port}"
        self._process: Guarded | None = None

    def __enter__(self) -> Self:
        data = self._folder / "prometheus"
        data.mkdir()
        every = f"{round(self.pace.scrape * 1000)}ms"
        configuration = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {"job_name": JOB, "static_configs": [{"targets": self._targets}]},
                # Not a worker: what the dashboard and the alerts must leave alone.
                {"job_name": "prometheus", "static_configs": [{"targets": [self._address]}]},
            ],
        }
        (data / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        (data / "rules.yaml").write_text(yaml.safe_dump(_quick_rules(self.pace, every)))
        command = ["prometheus", f"--config.file={data / 'prometheus.yml'}", f"--storage.tsdb.path={data / 'tsdb'}"]
        command += [f"--web.listen-address={self._address}", "--log.level=warn"]
        try:
            self._process = Guarded(command, data / "log")
        except FileNotFoundError as error:
            raise HarnessError("There is no prometheus on the PATH. Install it: make ci-tools") from error
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise HarnessError(f"Prometheus did not start:\n{(data / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()

    def ask(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate from `start` to `end`, both seconds since 1970. Raises ValueError where it is no valid expression."""
        found = self._get("query_range", query=expression, start=f"{start:.3f}", end=f"{end:.3f}", step=f"{step}")
        series = []
        for entry in found["result"]:
            points = [(float(at), float(value)) for at, value in entry["values"]]
            if finite := [(at, value) for at, value in points if math.isfinite(value)]:
                series.append(Series(entry["metric"], finite))
        return series

    def failing_rules(self) -> list[str]:
        """Rules that Prometheus could not evaluate, with the reason."""
        groups = self._get("rules")["groups"]
        return [
            f"{rule['name']}: {rule['lastError']}"
            for group in groups
            for rule in group["rules"]
            if rule["health"] != "ok"
        ]

    def _get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{self._address}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters.get('query', path)}: {error.read().decode(errors='replace')}") from error

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5):
                return True
        except OSError:
            return False


def _quick_rules(pace: Pace, every: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for group in found["groups"]:
        group["interval"] = every
        for rule in group["rules"]:
            rule["expr"] = quickened(rule["expr"], pace.quicken)
            if "for" in rule:
                rule["for"] = shortened(rule["for"], pace.quicken)
    return found
