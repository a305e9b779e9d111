"""Nothing of a post is anywhere but in the topics: not in logs at any level, not in metrics, not in spans."""

import json
import shlex
import sys
import urllib.request
from pathlib import Path

import pytest

from load_tests.workers import Worker
from tests.broker.conftest import Names
from tests.broker.scene import scene
from tests.harness import Kafka
from tests.harness.collector import collector
from tests.harness.topics import Keyed, read_all

pytestmark = pytest.mark.broker

MARKER = "zqplantedqz"
FAILING = """
import sys
from worker.cli import main
from worker.model.session import Session
logits, calls = Session.logits, []
def failing(self, windows):
    calls.append(self)
    if len(calls) > 1 and any(len(window) > 100 for window in windows):
        raise RuntimeError("the model failed")
    return logits(self, windows)
Session.logits = failing
sys.exit(main(["run"]))
"""
"""A worker whose model fails on long windows, once it was verified by one call."""


def planted() -> list[Keyed]:
    key = MARKER.encode()

    def post(**fields: object) -> bytes:
        return json.dumps({"id": f"{MARKER}-1", "text": f"you {MARKER} there", **fields}).encode()

    values = [
        post(),
        post(title=f"{MARKER} again", language="en"),
        post(text=f"{MARKER} " * 150),  # the model fails on it
        post(text=f"{MARKER} " * 20_000),  # longer than the setting allows
        post(text=""),
        post(text=[MARKER]),
        post(id={MARKER: MARKER}),
        post(language=MARKER * 9),
        post(created_at=MARKER),
        post(revision=MARKER),
        b'{"id": "%b", "text": "%b", "text": "%b"}' % (key, key, key),
        b'{"id": "%b", "text": %b}' % (key, key),
        b'["%b"]' % key,
        b"\xff\xfe" + key,
        key,
        None,
    ]
    return [(key, value) for value in values] + [(None, None)]


async def test_planted_markers_are_in_the_topics_alone(kafka: Kafka, topics: Names, tmp_path: Path) -> None:
    quiet = {"MODERATION_LOG_LEVEL": "DEBUG", "MODERATION_COMMIT_INTERVAL_SECONDS": "0.2"}
    command = shlex.join([sys.executable, "-c", FAILING])
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        await stage.produce(planted())
        with (
            collector() as spans,
            Worker("a", kafka.bootstrap, stage.names, tmp_path, command=command, env=quiet | spans.env) as worker,
        ):
            worker.start()
            await stage.until_done(worker)
            with urllib.request.urlopen(f"{worker.url}/metrics", timeout=5) as response:  # noqa: ASYNC210, S310 - loopback
                metrics = response.read().decode()
            worker.terminate()
            assert worker.wait() == 0, worker.tail()
            log = worker.tail(10_000_000)
        verdicts = await read_all(kafka.bootstrap, stage.names.output)
        dead_letters = await read_all(kafka.bootstrap, stage.names.dead_letter)
    reasons = {value.decode() for letter in dead_letters for name, value in letter.headers if name == "reason"}
    assert {"model_failed", "not_json", "not_utf8", "schema", "text_too_long"} <= reasons
    assert any(MARKER in (verdict.value or b"").decode() for verdict in verdicts)  # as the id
    assert "moderation_dead_letters_total" in metrics
    assert '"stopped"' in log
    assert MARKER not in log
    assert MARKER not in metrics
    assert len(spans.spans()) > len(planted())
    assert not any(MARKER.encode() in request for request in spans.requests)
    details = [value for letter in dead_letters for name, value in letter.headers if name == "detail"]
    assert details
    assert not any(MARKER.encode() in detail for detail in details)
