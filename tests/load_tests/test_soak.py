"""The soak run: that growth is told from noise, and that a short run measures what it says."""

import random

import pytest

from load_tests.series import failures, growth
from load_tests.soak import Samples, result, soak

Series = list[tuple[float, float]]


def series(slope: float, noise: float = 0.0, level: float = 100.0) -> Series:
    """300 samples over 1,000 s that grow by `slope` of their level in all."""
    draw = random.Random(1)
    return [(t / 0.3, level * (1 + slope * t / 300 + draw.uniform(-noise, noise))) for t in range(300)]


def test_growth_is_what_the_last_two_thirds_show() -> None:
    grown = growth(series(0.30))
    assert grown.per_cent == pytest.approx(100 * 0.2 / 1.2, rel=0.02)
    assert grown.begin < grown.end


def test_what_is_warmed_up_at_first_is_no_growth() -> None:
    assert growth([(t, min(t, 90.0)) for t in map(float, range(300))]).per_cent == 0.0


def test_noise_and_peaks_are_no_growth() -> None:
    noisy = series(0.0, noise=0.05)
    noisy[-3:] = [(t, 1000.0) for t, _ in noisy[-3:]]
    assert abs(growth(noisy).per_cent) < 5


def test_growth_is_found_in_noise() -> None:
    assert failures({"rss": growth(series(0.15, noise=0.1))}) != []


def test_a_few_samples_show_no_trend() -> None:
    with pytest.raises(ValueError, match="9 samples"):
        growth(series(0.0)[:9])


def test_counts_may_rise_by_one_but_not_by_more() -> None:
    def counts(last: int) -> Series:
        return [(float(t), 10.0 if t < 200 else float(last)) for t in range(300)]

    assert failures({"tasks": growth(counts(11))}) == []
    assert failures({"tasks": growth(counts(12))}) == ["tasks grew from 10 to 12 (+19.0 %)"]


def samples(rss: Series, waiting: float) -> Samples:
    flat = [(t, 10.0) for t, _ in rss]
    return Samples(rss=rss, tasks=flat, threads=flat, fds=flat, backlog=[(t, waiting) for t, _ in rss])


def test_result_names_what_grew() -> None:
    assert result(100.0, 0.8, samples(series(0.0), 20))["failures"] == []
    assert "rss grew" in str(result(100.0, 0.8, samples(series(0.3), 20))["failures"])


def test_result_says_where_the_worker_could_not_keep_up() -> None:
    assert result(100.0, 0.8, samples(series(0.0), 800))["kept_up"] is True
    assert result(100.0, 0.8, samples(series(0.0), 801))["kept_up"] is False


@pytest.mark.broker
@pytest.mark.timeout(300)
async def test_a_short_run_measures() -> None:
    found = await soak("exactly_once", load=0.5, seconds=6, posts=200)
    assert found["exit_status"] == 0
    assert found["samples"] >= 10  # type: ignore[operator]
    growths = found["growth"]
    assert isinstance(growths, dict)
    assert growths["rss"]["end"] > 50e6
    assert min(growths[name]["end"] for name in ("tasks", "threads", "fds")) > 3
