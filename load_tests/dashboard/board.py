"""The dashboard's JSON, read: its panels, and the queries behind them and its variables."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "grafana" / "moderation-worker.json"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel as Grafana would show it; `row` is the title above it."""

    row: str
    model: Mapping[str, Any]

    @property
    def title(self) -> str:
        return str(self.model["title"])

    @property
    def queries(self) -> list[tuple[str, str]]:
        """Expression and legend of each of its queries."""
        return [(target["expr"], target["legendFormat"]) for target in self.model["targets"]]


def board(file: Path = FILE) -> Mapping[str, Any]:
    """The dashboard's model."""
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def panels(model: Mapping[str, Any]) -> Iterator[Panel]:
    """Panels in their order, without the rows."""
    row = ""
    for panel in model["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            yield Panel(row, panel)


def variables(model: Mapping[str, Any]) -> dict[str, str]:
    """The expression behind each variable that asks Prometheus: of `label_values(a, b)` it is `a`."""
    return {
        variable["name"]: variable["query"]["query"].removeprefix("label_values(").rsplit(",", 1)[0]
        for variable in model["templating"]["list"]
        if variable["type"] == "query"
    }


def filled(expression: str, values: Mapping[str, str]) -> str:
    """The expression with its variables replaced, longest name first."""
    for name in sorted(values, key=len, reverse=True):
        expression = expression.replace(f"${name}", values[name])
    return expression
