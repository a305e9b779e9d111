import json
from pathlib import Path

import pytest

from load_tests.growth import Point, failures, main, steepness

LENGTHS = [Point(size, cpu_ms=size / 100) for size in (1_000, 10_000, 100_000)]
BACKLOGS = [Point(size, posts_per_second=100.0, memory_mib=200.0) for size in (1_000, 1_000_000, 1_000)]
BUDGETS = [Point(size, posts_per_second=100.0, memory_mib=200.0 + size / 100) for size in (100, 10_000)]


def test_what_grows_in_proportion_passes() -> None:
    assert failures(LENGTHS, BACKLOGS, BUDGETS) == []
    assert steepness([(1, 3), (10, 30), (100, 300)]) == pytest.approx(1)
    assert steepness([(1, 1), (10, 100), (100, 10_000)]) == pytest.approx(2)


def test_what_grows_faster_fails() -> None:
    squared = [Point(size, cpu_ms=size**2) for size in (1_000, 10_000, 100_000)]
    assert "power of 2.00" in failures(squared, BACKLOGS, BUDGETS)[0]
    short = [Point(size, cpu_ms=size**2) for size in (1, 10, 100)]
    assert failures([*short, *LENGTHS], BACKLOGS, BUDGETS) == []


@pytest.mark.parametrize(("rate", "memory", "message"), [(60.0, 200.0, "drained at 60"), (100.0, 300.0, "1.5 times")])
def test_a_backlog_that_is_a_burden_fails(rate: float, memory: float, message: str) -> None:
    large = Point(1_000_000, posts_per_second=rate, memory_mib=memory)
    [failure] = failures(LENGTHS, [BACKLOGS[0], large, BACKLOGS[0]], BUDGETS)
    assert message in failure


def test_a_backlog_is_compared_with_the_small_one_beside_it() -> None:
    """The machine had become slower for both."""
    slow = [Point(size, posts_per_second=60.0, memory_mib=200.0) for size in (1_000_000, 1_000)]
    assert failures(LENGTHS, [BACKLOGS[0], *slow], BUDGETS) == []
    assert "drained at 60" in failures(LENGTHS, [*slow, BACKLOGS[0]], BUDGETS)[0]


def test_memory_beyond_the_budget_fails() -> None:
    [failure] = failures(LENGTHS, BACKLOGS, [BUDGETS[0], Point(1_000, posts_per_second=100.0, memory_mib=4_000.0)])
    assert "with a budget of 1000 it takes" in failure


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--seconds", "0"])


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_memory_and_rate_are_of_a_real_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("load_tests.growth.LENGTHS", (1, 100))
    monkeypatch.setattr("load_tests.growth.BUDGETS", (100,))
    monkeypatch.setattr("load_tests.growth.SLOWER", 0.0)  # in two seconds anything may be slower
    assert main(["--seconds", "2", "--largest", "1000", "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [point["size"] for point in found["length"]] == [1, 100]
    assert [point["size"] for point in found["backlog"]] == [1_000, 1_000]
    for point in (*found["backlog"], *found["budget"]):
        assert point["posts_per_second"] > 0
        assert point["memory_mib"] > 50
    assert {path.name for path in tmp_path.iterdir()} == {"growth.json", "growth.png"}
