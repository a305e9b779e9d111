"""Whether a run passes, from what the logs hold and nothing else. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from load_tests.history import Report

MOST_LATE_SECONDS = 1.0
"""A generator later than this was no open loop of the asked rate: the run says nothing about the worker."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is asked of a run: its delivery, and percentiles of latency in milliseconds (None: none)."""

    delivery: str = "at_least_once"
    p50_ms: float | None = None
    p99_ms: float | None = None


def failures(
    report: Report, latencies: Mapping[str, float], bounds: Bounds, *, fed: int, late_seconds: float, exit_status: int
) -> list[str]:
    """Why a run fails; empty where it passes. `fed`: what the generator believes it wrote."""
    found = list(report.failures)
    if report.posts != fed:
        found.append(f"{fed} records were produced, but the input topic holds {report.posts}")
    if not latencies["count"]:
        found.append("no input was matched with an output")
    if bounds.delivery == "exactly_once" and report.duplicates:
        found.append(f"duplicates: {report.duplicates}")
    if late_seconds > MOST_LATE_SECONDS:
        found.append(f"the generator was late by {late_seconds:.1f} s: lower the rate, or give it a core")
    if exit_status:
        found.append(f"the worker ended with status {exit_status} after SIGTERM, not 0")
    for name, bound in (("p50", bounds.p50_ms), ("p99", bounds.p99_ms)):
        if bound is not None and latencies["count"] and latencies[name] > bound:
            found.append(f"{name} latency is {latencies[name]:.0f} ms, more than {bound:.0f}")
    return found
