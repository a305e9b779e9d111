"""The dashboard on live data: once for real, and what the check says where something has no answer."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import cast

import pytest
import yaml

from load_tests.dashboard import __main__ as command
from load_tests.dashboard import check as asking
from load_tests.dashboard.board import board, panels
from load_tests.dashboard.live import Scene
from load_tests.dashboard.prometheus import Pace, Prometheus, Series, _quick_rules
from load_tests.dashboard.promql import selectors
from load_tests.dashboard.rules import RULES, rules


@dataclass
class StandIn:
    """Answers whatever selects none of `absent`."""

    absent: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    pace: Pace = field(default_factory=lambda: Pace(1, 60))

    def ask(self, expression: str, *_: float) -> list[Series]:
        absent = self.absent & {name for name, _ in selectors(expression)}
        return [] if absent else [Series({}, [(0, 1)])]

    def failing_rules(self) -> list[str]:
        return self.broken


def found(absent: str = "", broken: str = "") -> asking.Found:
    prometheus = StandIn({absent}, [broken] if broken else [])
    return asking.check(Scene(cast("Prometheus", prometheus), 0, 60))


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_every_panel_and_every_rule_returns_data_of_real_workers(capsys: pytest.CaptureFixture[str]) -> None:
    status = command.main([])
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    assert status == 0, err
    assert summary["empty"] == summary["unknown"] == summary["failing"] == []
    assert summary["panels"] == len(list(panels(board())))
    assert summary["queries"] > summary["panels"]
    assert summary["rules"] == len(rules())


def test_series_that_nobody_exports_empties_panels_and_rules_by_name() -> None:
    empty = found(absent="moderation_scoring_threads").empty
    assert {what.split(",")[0].split(": ")[0] for what in empty} == {
        "Scorers busy",
        "instance:moderation_scorers_busy:ratio_rate5m",
    }


def test_each_alternative_of_an_alert_is_asked() -> None:
    empty = found(absent="job:moderation_late_partitions:ratio_avg6h").empty
    assert any(what.startswith("ModerationLagBudgetFast") for what in empty)


def test_a_constant_is_no_answer() -> None:
    assert any(what.startswith("Alerts firing") for what in found(absent="ALERTS").empty)


def test_rule_that_cannot_be_evaluated_is_told() -> None:
    assert found().ok
    assert found(broken="a rule: many-to-many matching").failing == ["a rule: many-to-many matching"]
    assert not found(broken="a rule: many-to-many matching").ok


def test_name_that_is_not_in_the_catalogue_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "rules", lambda: [{"alert": "A", "expr": "moderation_invented > 1"}])
    assert found().unknown == ["A: moderation_invented"]


def test_command_fails_where_something_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def look() -> asking.Found:
        await asyncio.sleep(0)
        return asking.Found(panels=1, empty=["a panel: up"])

    monkeypatch.setattr(command, "_look", look)
    assert command.main([]) == 1
    assert json.loads(capsys.readouterr().out)["empty"] == ["a panel: up"]


def test_rules_of_the_check_are_the_ones_that_are_deployed_but_for_time() -> None:
    quick = _quick_rules(Pace(0.3, 240), "300ms")
    deployed = yaml.safe_load(RULES.read_text())
    names = [[rule.get("alert", rule.get("record")) for rule in group["rules"]] for group in deployed["groups"]]
    assert [[rule.get("alert", rule.get("record")) for rule in group["rules"]] for group in quick["groups"]] == names
    [stalled] = [
        rule for group in quick["groups"] for rule in group["rules"] if rule.get("alert") == "ModerationStalled"
    ]
    assert stalled["for"] == "1250ms"
    assert "[1250ms]" in stalled["expr"]
