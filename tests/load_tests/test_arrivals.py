"""When posts are sent: independent of each other, at the rate asked for, in the shape asked for."""

import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from load_tests.arrivals import even, poisson, recorded


def test_gaps_are_those_of_independent_authors() -> None:
    due = list(poisson(100.0, 100.0, seed=1))
    gaps = [after - before for before, after in pairwise(due)]
    assert 9_500 <= len(due) <= 10_500
    assert due == sorted(due)
    assert 0 < due[0] < due[-1] < 100.0
    # An exponential distribution's deviation is its mean; an even one's is 0.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)


def test_same_seed_same_times() -> None:
    assert list(poisson(10.0, 5.0, seed=3)) == list(poisson(10.0, 5.0, seed=3)) != list(poisson(10.0, 5.0, seed=4))


def test_shape_multiplies_the_rate_in_equal_parts_of_the_time() -> None:
    due = list(poisson(50.0, 40.0, shape=(1, 10, 0, 2)))
    parts = [sum(begin <= at < begin + 10 for at in due) for begin in (0, 10, 20, 30)]
    assert parts[2] == 0
    assert parts[0] == pytest.approx(500, rel=0.15)
    assert parts[1] == pytest.approx(5_000, rel=0.1)
    assert parts[3] == pytest.approx(1_000, rel=0.15)


def test_even_times() -> None:
    assert list(even(4.0, 1.0)) == [0.0, 0.25, 0.5, 0.75]


def test_recorded_shape_keeps_the_mean_rate(tmp_path: Path) -> None:
    (tmp_path / "day").write_text("10\n30\n0\n40\n", encoding="utf-8")
    assert recorded(tmp_path / "day") == (0.5, 1.5, 0.0, 2.0)


@pytest.mark.parametrize("text", ["", "0\n0\n", "3\n-1\n", "three\n", "nan\n"])
def test_what_is_no_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "day").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"counts|float"):
        recorded(tmp_path / "day")
