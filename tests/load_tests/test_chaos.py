"""The fault lab: that its schedule is what it says, that it fails where it must, and a short run of every fault."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from load_tests.chaos.__main__ import parse
from load_tests.chaos.drive import NO_BROKER, Event, Seen
from load_tests.chaos.mutants import find
from load_tests.chaos.mutations import ALL
from load_tests.chaos.report import Outcome, draw
from load_tests.chaos.run import Plan, run
from load_tests.chaos.schedule import GENTLE, Kind, schedule
from load_tests.history import Report

ROUGH = (
    Kind.KILL,
    Kind.ZOMBIE,
    Kind.LOSE,
    Kind.NETWORK_ZOMBIE,
    Kind.ISOLATE,
    Kind.NO_LOG,
    Kind.BROKER_KILL,
    Kind.BROKER_DISK_FULL,
)


def outcome(delivery: str, duplicates: int = 0, open_positions: int = 5, failures: Sequence[str] = ()) -> Outcome:
    seen = Seen(events=[Event(Kind.KILL, "a", 1.0, 2.0, open_positions)], failures=[*failures])
    seen.progress = [(0.0, 0, 0), (2.0, 10, 10)]
    return Outcome(3, delivery, Report(posts=10, verdicts=10, duplicates=duplicates), seen)


def test_schedule_follows_from_its_seed_and_holds_every_kind() -> None:
    assert schedule(7, 30) == schedule(7, 30) != schedule(8, 30)
    assert {fault.kind for fault in schedule(7, len(Kind))} == set(Kind)


def test_repeats_are_a_failure_of_exactly_once_alone() -> None:
    assert outcome("at_least_once", duplicates=2).failures == []
    assert outcome("exactly_once", duplicates=2).failures == ["duplicates: 2"]


def test_fault_that_hit_nobody_is_a_failure() -> None:
    assert outcome("exactly_once", open_positions=0).failures == ["kill at 1 s hit a, which was idle"]


def test_what_the_drive_saw_is_a_failure() -> None:
    assert outcome("exactly_once", failures=["a ended with status 1"]).failures == ["a ended with status 1"]


@pytest.mark.parametrize(
    ("log", "allowed"),
    [
        ("...\nmoderation-worker: no broker answers at 127.0.0.1:1: check MODERATION_BOOTSTRAP_SERVERS", True),
        ("moderation-worker: cannot connect to Kafka (MODERATION_BOOTSTRAP_SERVERS): Unable to bootstrap", True),
        ("moderation-worker: publishing kept failing for 600 s: no broker answers", False),
        ("Traceback (most recent call last):\n  ...\nKeyError: 3", False),
        ("", False),
    ],
)
def test_a_worker_may_end_by_itself_where_no_broker_let_it_start(log: str, allowed: bool) -> None:
    assert (NO_BROKER.search(log) is not None) is allowed


def test_history_and_picture_are_written(tmp_path: Path) -> None:
    found = outcome("exactly_once")
    history = json.loads(json.dumps(found.history()))
    assert history["seed"] == 3
    assert history["events"][0]["victim"] == "a"
    draw(found, tmp_path / "timeline.png")
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_command_line_describes_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    plan, out = parse(["--seed", "4", "--faults", "20", "--posts", "9", "--delivery", "at_least_once"])
    assert (plan.seed, plan.faults, plan.posts, plan.delivery, out) == (4, 20, 9, "at_least_once", None)
    with pytest.raises(SystemExit):
        parse(["--faults", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_without_any_fault_but_gentle_ones_nothing_may_come_twice() -> None:
    found = outcome("at_least_once", duplicates=2)
    found.seen.events[:] = [Event(kind, "a", 1.0, 2.0, 5) for kind in GENTLE]
    assert found.failures == ["duplicates: 2"]
    found.seen.events.append(Event(Kind.KILL, "a", 1.0, 2.0, 5))
    assert found.failures == []


def test_kinds_can_be_chosen() -> None:
    plan, _ = parse(["--kinds", "kill", "zombie", "kill"])
    assert plan.kinds == (Kind.KILL, Kind.ZOMBIE)
    assert {fault.kind for fault in schedule(7, 9, plan.kinds)} == set(plan.kinds)


@pytest.mark.broker
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("delivery", "faults", "kinds", "commit_seconds"),
    [("exactly_once", max(20, len(Kind)), tuple(Kind), 0.2), ("at_least_once", len(ROUGH), ROUGH, 2.0)],
)
async def test_promises_are_kept_through_every_kind_of_fault(
    delivery: str, faults: int, kinds: tuple[Kind, ...], commit_seconds: float
) -> None:
    plan = Plan(seed=1, faults=faults, posts=1000, delivery=delivery, kinds=kinds, commit_seconds=commit_seconds)
    found = await run(plan)
    assert found.failures == []
    assert {event.kind for event in found.seen.events} == set(kinds)
    assert found.report.posts >= 1000
    # A run in which at least once repeats nothing could not have told the two apart.
    assert (found.report.duplicates > 0) == (delivery == "at_least_once")


@pytest.mark.broker
@pytest.mark.timeout(600)
async def test_workers_that_are_told_to_end_repeat_nothing() -> None:
    found = await run(Plan(seed=1, faults=4, posts=1000, delivery="at_least_once", kinds=tuple(sorted(GENTLE))))
    assert found.failures == []
    assert found.report.duplicates == 0


@pytest.mark.broker
@pytest.mark.timeout(600)
async def test_checker_finds_a_promise_that_is_broken() -> None:
    """`make mutations` shows the others."""
    found = await find("no-drain", ALL["no-drain"], seed=0)
    assert found["found"], found
