"""The command line of the load runs: what it asks for, what it refuses, how it ends."""

import json
from collections.abc import Callable

import pytest

from load_tests import __main__ as command
from load_tests.drive import Crash, Observed, RunError
from load_tests.history import Position, Report
from load_tests.lab import Plan, Result
from load_tests.workers import DEFAULT_COMMAND
from tests.harness.distribution import HarnessError

Ends = Callable[[Result | HarnessError], list[Plan]]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Put a run that ends so in the place of the real one; the list gets its plan."""

    def put(end: Result | HarnessError) -> list[Plan]:
        seen: list[Plan] = []

        async def run(plan: Plan) -> Result:
            seen.append(plan)
            if isinstance(end, HarnessError):
                raise end
            return end

        monkeypatch.setattr(command, "run", run)
        return seen

    return put


def test_without_arguments_fifty_thousand_posts_and_two_crashes() -> None:
    plan = command.parse([])
    assert plan == Plan(
        50_000, 0, (Crash(0.35, outage=3.0), Crash(0.55)), 300 + 50_000 / 40, DEFAULT_COMMAND, names=plan.names
    )


def test_every_argument_reaches_the_plan() -> None:
    line = "--posts 6000 --seed 7 --outage 1.5 --kill-at 0.4 --kill-again-at 0.6 --limit 99 --worker"
    plan = command.parse([*line.split(), "a b"])
    assert plan == Plan(6_000, 7, (Crash(0.4, outage=1.5), Crash(0.6)), 99, "a b", names=plan.names)


def test_second_kill_at_0_is_none() -> None:
    assert command.parse(["--kill-again-at", "0"]).crashes == (Crash(0.35, outage=3.0),)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--posts", "499"], "--posts must be at least 500"),
        (["--posts", "many"], "--posts"),
        (["--kill-at", "0.2"], "kills must come between 0.3 and 0.7"),
        (["--kill-again-at", "0.9"], "kills must come between 0.3 and 0.7"),
    ],
)
def test_wrong_usage_is_refused_before_anything_starts(
    arguments: list[str], message: str, ends: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    started = ends(Result(Report(), Observed()))
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert started == []


def test_help_names_the_fewest_posts_and_what_incomplete_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.parse(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "at least 500 (default 50000)" in text
    assert '"incomplete": true' in text


def test_run_without_failures_ends_with_0_and_one_object_on_stdout(
    ends: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    ends(Result(Report(posts=50_000, verdicts=50_000, duplicates=3, posts_per_second=250.5), Observed()))

    assert command.main([]) == 0

    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    wanted = ("posts", "lost", "out_of_order", "early_commits", "duplicates", "posts_per_second", "incomplete")
    assert [found[name] for name in wanted] == [50_000, 0, 0, 0, 3, 250.5, False]
    assert found["failures"] == []


def test_violations_end_with_1_and_are_shown_by_example(ends: Ends, capsys: pytest.CaptureFixture[str]) -> None:
    ends(Result(Report(posts=50_000, lost=1, examples={"lost": [Position(2, 17)]}), Observed()))

    assert command.main([]) == 1

    out, err = capsys.readouterr()
    assert json.loads(out)["failures"] == ["lost: 1"]
    assert "lost, for example (partition, offset): (2, 17)" in err


def test_run_given_up_ends_with_1_and_its_fault_alone(ends: Ends, capsys: pytest.CaptureFixture[str]) -> None:
    observed = Observed()
    observed.give_up(RunError("the time limit passed\nand logs"))
    ends(Result(Report(posts=50_000), observed))

    assert command.main([]) == 1

    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["incomplete"], found["lost"], found["failures"]) == (True, 0, ["the time limit passed"])


def test_missing_kafka_ends_with_1_and_says_so(ends: Ends, capsys: pytest.CaptureFixture[str]) -> None:
    ends(HarnessError("no Java"))

    assert command.main([]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert "no Java" in err
