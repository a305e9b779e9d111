"""The lab itself, on a real Kafka with a stand-in for the worker: it must tell a careful one from a careless one."""

import shlex
import sys

import pytest

from load_tests.drive import Crash
from load_tests.lab import Plan, Result, run
from tests.load_tests.stand_in import CARELESS

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

POSTS = 2_500


async def run_stand_in(*arguments: str) -> Result:
    command = shlex.join([sys.executable, "-m", "tests.load_tests.stand_in", *arguments])
    return await run(Plan(POSTS, crashes=(Crash(0.35, outage=2.0),), limit_seconds=150, command=command))


async def test_a_crash_of_a_careful_worker_loses_nothing() -> None:
    result = await run_stand_in()
    assert result.observed.faults == []
    assert result.report.posts == POSTS
    assert (result.report.lost, result.report.out_of_order, result.report.early_commits) == (0, 0, 0)
    [kill] = result.observed.kills
    assert 0.3 <= kill.at <= 0.7
    assert kill.open_positions > 0
    assert result.observed.exit_statuses == {"load-worker-1": 0, "load-worker-2": 0}
    summary = result.summary()
    assert (summary["posts"], summary["incomplete"]) == (POSTS, False)


async def test_committing_before_the_acknowledgement_is_found() -> None:
    result = await run_stand_in(CARELESS)
    assert result.report.early_commits > 0
    assert result.report.lost > 0
    assert any("early_commits" in failure for failure in result.failures)


async def test_a_run_given_up_names_its_fault_and_calls_nothing_lost() -> None:
    plan = Plan(10, command=shlex.join([sys.executable, "-c", "raise SystemExit(3)"]))
    result = await run(plan)
    assert any("ended by itself with status 3" in failure for failure in result.failures)
    summary = result.summary()
    assert (summary["posts"], summary["incomplete"], summary["lost"]) == (0, True, 0)
