"""The gate's verdict comes from the data: each way to fail, and what passes."""

from dataclasses import replace
from typing import Any

import pytest

from load_tests.bench.gate import Bounds, failures
from load_tests.history import Report

GOOD = Report(posts=100, verdicts=100)
FAST = {"count": 100, "p50": 10.0, "p99": 50.0}


def judged(report: Report = GOOD, latencies: dict[str, float] = FAST, bounds: Bounds = Bounds(), **other: Any) -> str:  # noqa: B008 - frozen
    seen = {"fed": report.posts, "late_seconds": 0.0, "exit_status": 0} | other
    return "; ".join(failures(report, latencies, bounds, **seen))


def test_a_good_run_passes_also_within_bounds() -> None:
    assert judged() == ""
    assert judged(bounds=Bounds("exactly_once", p50_ms=10, p99_ms=50)) == ""


def test_repeats_fail_exactly_once_alone() -> None:
    repeated = replace(GOOD, duplicates=2)
    assert judged(repeated) == ""
    assert judged(repeated, bounds=Bounds("exactly_once")) == "duplicates: 2"


@pytest.mark.parametrize(
    ("report", "latencies", "bounds", "other", "reason"),
    [
        (Report(), {"count": 0}, Bounds(), {}, "the input topic is empty"),
        (replace(GOOD, lost=100), {"count": 0}, Bounds(), {}, "no input was matched"),
        (replace(GOOD, lost=1), FAST, Bounds(), {}, "lost: 1"),
        (replace(GOOD, wrong_outcomes=1), FAST, Bounds(), {}, "wrong_outcomes: 1"),
        (GOOD, FAST, Bounds(), {"fed": 101}, "101 records were produced, but the input topic holds 100"),
        (GOOD, FAST, Bounds(p50_ms=9), {}, "p50 latency is 10 ms, more than 9"),
        (GOOD, FAST, Bounds(p99_ms=49), {}, "p99 latency is 50 ms, more than 49"),
        (GOOD, FAST, Bounds(), {"late_seconds": 1.5}, "the generator was late by 1.5 s"),
        (GOOD, FAST, Bounds(), {"exit_status": -9}, "the worker ended with status -9"),
    ],
)
def test_each_failure_is_told(
    report: Report, latencies: dict[str, float], bounds: Bounds, other: dict[str, Any], reason: str
) -> None:
    assert reason in judged(report, latencies, bounds, **other)
