"""What exactly once costs: the arithmetic, and a short run that measures both."""

import pytest

from load_tests.cost import AT_LEAST_ONCE, EXACTLY_ONCE, Plan, Round, compare, percentile, summary


def test_percentile_is_a_measured_value() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50, 99, 100)
    assert percentile([7.0], 1) == 7.0


def test_summary_compares_rounds_in_pairs() -> None:
    found = {
        AT_LEAST_ONCE: [Round(100, 50, 5, 9), Round(200, 50, 7, 9), Round(400, 50, 6, 9)],
        EXACTLY_ONCE: [Round(90, 50, 50, 90), Round(160, 50, 70, 90), Round(280, 50, 60, 90)],
    }
    result = summary(found, Plan())
    assert result["posts_per_second_ratio"] == 0.8
    assert result["medians"] == {
        AT_LEAST_ONCE: {"posts_per_second": 200, "p50_ms": 6, "p99_ms": 9},
        EXACTLY_ONCE: {"posts_per_second": 160, "p50_ms": 60, "p99_ms": 90},
    }


@pytest.mark.broker
@pytest.mark.timeout(400)
async def test_a_short_run_measures_both() -> None:
    found = await compare(Plan(posts=100, rounds=1, load=0.3, seconds=3))
    [least], [exactly] = found[AT_LEAST_ONCE], found[EXACTLY_ONCE]
    assert least.fed_per_second == exactly.fed_per_second
    assert min(least.posts_per_second, exactly.posts_per_second) > 0
    assert 0 < least.p50_ms <= least.p99_ms
    assert 0 < exactly.p50_ms <= exactly.p99_ms
