"""What is measured from the logs: matching, latencies, a drain's rate, series."""

import pytest

from load_tests.bench.measures import (
    Pair,
    Second,
    behind,
    drain_rate,
    latencies,
    pairs,
    series,
    sustained_rate,
    waiting_at_the_end,
)
from load_tests.history import Kind, Output, Position

A, B, C = (Position(0, number) for number in range(3))


def output(source: Position | None, at: int, kind: Kind = Kind.VERDICT) -> Output:
    return Output(kind, source, Position(0, at), at)


def test_an_input_is_paired_with_its_first_outcome() -> None:
    found = pairs(
        {B: 20, A: 10, C: 30},
        [output(A, 50), output(A, 40), output(B, 60, Kind.DEAD_LETTER), output(None, 1), output(Position(9, 9), 1)],
    )
    assert found == [Pair(10, 40), Pair(20, 60)]


def test_latencies_are_percentiles_of_what_was_measured() -> None:
    found = latencies([Pair(0, ms) for ms in range(1, 1001)])
    assert (found["count"], found["p50"], found["p90"], found["max"]) == (1000, 500, 900, 1000)
    assert found["p99"] == pytest.approx(990, rel=0.001)
    assert found["mean"] == pytest.approx(500.5, rel=0.001)


def test_clocks_apart_and_endless_waits_are_within_the_histogram() -> None:
    assert latencies([Pair(10, 5)])["max"] == 0
    assert latencies([Pair(0, 10**9)])["max"] == pytest.approx(3_600_000, rel=0.001)


def test_nothing_measured_is_a_count_of_0() -> None:
    assert latencies([]) == {"count": 0}


@pytest.mark.parametrize("batch", [1, 8, 32])
def test_rate_counts_whole_batches(batch: int) -> None:
    """A batch a second, whose outcomes come within a few milliseconds after it; start-up took a minute."""
    stamps = [60_000 + 1_000 * number + within % 3 for number in range(20) for within in range(batch)]
    assert drain_rate(stamps) == pytest.approx(batch, rel=0.01)


def test_rate_leaves_start_up_out() -> None:
    cold = [number * 500 for number in range(5)]
    warm = [3_000 + number * 10 for number in range(300)]
    assert drain_rate(cold + warm) == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("stamps", [[], [1], [5] * 100])
def test_no_rate_is_shown_by_too_little(stamps: list[int]) -> None:
    with pytest.raises(ValueError, match=r"show no rate|came at once"):
        drain_rate(stamps)


def test_an_overload_shows_what_is_done_while_posts_come() -> None:
    """100 posts a second come for 10 s, 50 a second are done; the rest are done long after."""
    found = [Pair(10 * number, 20 * number) for number in range(1_000)]
    assert sustained_rate(found) == pytest.approx(50, rel=0.01)
    assert sustained_rate([Pair(10 * number, 10 * number + 5) for number in range(1_000)]) == pytest.approx(
        100, rel=0.01
    )


def test_what_came_first_does_not_count_for_a_peak() -> None:
    """For 2 s all that comes is done at once, then half of it."""
    cold = [Pair(10 * number, 10 * number) for number in range(200)]
    assert sustained_rate([*cold, *(Pair(2_000 + 10 * n, 2_000 + 20 * n) for n in range(800))]) == pytest.approx(
        50, rel=0.02
    )


def test_what_had_no_outcome_when_the_last_was_due_waits_at_the_end() -> None:
    assert waiting_at_the_end([Pair(0, 5), Pair(5, 11), Pair(10, 10)]) == 1
    assert waiting_at_the_end([]) == 0


@pytest.mark.parametrize("found", [[], [Pair(1, 2)]])
def test_no_peak_is_shown_by_too_little(found: list[Pair]) -> None:
    with pytest.raises(ValueError, match="show no rate"):
        sustained_rate(found)


def test_series_counts_each_second() -> None:
    found = series([Pair(1_000, 1_200), Pair(1_500, 3_100), Pair(3_400, 3_450)])
    assert [(second.due, second.done, second.waiting) for second in found] == [(2, 1, 1), (0, 0, 1), (1, 2, 0)]
    assert [second.p99_ms for second in found] == [1_600, None, 50]
    assert series([]) == []


def test_behind_is_the_longest_stretch_in_which_more_waits_than_comes_in_a_second() -> None:
    waiting = [0, 1, 5, 4, 3, 2, 1, 0, 3, 2, 1, 0]
    found = [Second(at, 1, 1, posts, None, None) for at, posts in enumerate(waiting)]
    assert behind(found) == 4
    assert behind(found[7:]) == 2
    assert behind(found[:2]) == 0
    assert behind([]) == 0
