"""Rules and alerts: valid, tested both ways by promtool, explained in a runbook, about metrics that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from load_tests.dashboard.known import series
from load_tests.dashboard.promql import selectors
from load_tests.dashboard.rules import ROOT, RULES, UNIT_TESTS, alerts, recorded, rules
from worker.ops.catalogue import CATALOGUE

RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
PAGES = {"runbooks.md": RUNBOOKS, "README.md": (RULES.parent / "README.md").read_text(encoding="utf-8")}


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_valid_to_the_last_lint() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_unit_tests_of_rules_pass(path: Path) -> None:
    promtool("test", "rules", str(path))


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    fires: set[str] = set()
    does_not: set[str] = set()
    for path in UNIT_TESTS:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for check in case.get("alert_rule_test", []):
                (fires if check["exp_alerts"] else does_not).add(check["alertname"])
    assert fires == does_not == set(alerts())


def test_every_alert_says_how_bad_and_where_its_runbook_is() -> None:
    sections = re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE)
    assert sections == list(dict.fromkeys(sections))
    assert set(sections) == set(alerts())
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks.md#{name.lower()}"), name


def test_every_runbook_says_what_it_means_how_to_tell_and_what_to_do() -> None:
    for section in RUNBOOKS.split("\n## ")[1:]:
        parts = re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE)
        assert parts == ["Means", "Tell", "Do"], section.splitlines()[0]


def test_rules_select_only_series_that_exist() -> None:
    known = series()
    assert {name for rule in rules() for name, _ in selectors(rule["expr"]) if name not in known} == set()


def test_labels_that_rules_group_by_exist() -> None:
    of_targets = {"namespace", "job", "instance"}
    of_metrics = {label for metric in CATALOGUE for label in metric.labels}
    grouped = {
        label
        for rule in rules()
        for labels in re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", rule["expr"])
        for label in re.findall(r"\w+", labels)
    }
    assert grouped - of_targets - of_metrics == set()


def test_metrics_and_alerts_that_the_pages_name_exist() -> None:
    known = series() | {metric.name for metric in CATALOGUE}
    for page, text in PAGES.items():
        named = set(re.findall(r"(?:\w+:)?\bmoderation_\w+(?::\w+)?", text))
        assert named, page
        assert named - known == set(), page
        assert set(re.findall(r"\bModeration[A-Z]\w+", text)) - set(alerts()) - {"ModerationLagBudget"} == set(), page


def test_no_recorded_series_is_without_a_reader() -> None:
    dashboard = (ROOT / "deploy" / "grafana" / "moderation-worker.json").read_text(encoding="utf-8")
    read = {name for rule in rules() for name, _ in selectors(rule["expr"])}
    assert {name for name in recorded() - read if name not in dashboard} == set()
