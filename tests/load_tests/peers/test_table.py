"""The ratios that a comparison is about, from rounds that are known."""

import pytest

from load_tests.peers.table import (
    FRAMEWORK,
    HUGGING_FACE,
    LONE,
    MODEL,
    SERVER,
    USUAL,
    WORKER,
    Found,
    difference,
    markdown,
    summary,
)


@pytest.fixture
def found() -> Found:
    """Three rounds; in the second everything is twice as slow."""
    made = Found(alone_ms=[4.0, 6.0, 5.0], round_trip_ms=[2.0, 1.0, 3.0])
    rates = {HUGGING_FACE: 20, USUAL: 100, SERVER: 120, FRAMEWORK: 80, WORKER: 500, MODEL: 600}
    for way, rate in rates.items():
        made.drains[way] = [rate, rate / 2, rate * 1.1]
        made.sizes[way] = 10 * rate
    made.peaks = {WORKER: [250.0, 125.0, 275.0], USUAL: [80.0, 40.0, 88.0]}
    for (way, level), p99 in {
        (WORKER, LONE): 20,
        (WORKER, 0.3): 40,
        (WORKER, 0.5): 54,
        (WORKER, 0.8): 100,
        (USUAL, 0.8): 500,
    }.items():
        made.latencies[way, level] = [
            {"p50": 18.0, "p99": p99 + noise, "generator_late_ms": 3} for noise in (5.0, 0.0, -5.0)
        ]
    return made


def test_ratios_are_of_the_same_round(found: Found) -> None:
    result = summary(found, 0.8)
    assert (result["vs_usual_peer"], result["vs_hf_pipeline"], result["of_model_only"]) == (5, 25, 0.833)
    assert (result["vs_model_server"], result["vs_framework"]) == (4.167, 6.25)
    found.drains[WORKER] = [500, 500, 500]  # its median is the same, but the second round's peer was slow
    assert summary(found, 0.8)["vs_usual_peer"] == 5
    found.drains[WORKER] = [250, 500, 250]
    assert summary(found, 0.8)["vs_usual_peer"] == 2.5


def test_latencies_are_medians_of_rounds_at_each_share(found: Found) -> None:
    result = summary(found, 0.8)
    assert result["p99_ms_at_80_percent"] == 100
    assert result["usual_peer_p99_ms_at_80_percent"] == 500
    assert result["p99_of_usual_peer"] == 0.2
    assert result["latency_ms"]["worker 30%"] == {"p50": 18, "p99": 40, "generator_late_ms": 3}


def test_latencies_and_peaks_are_compared_round_by_round(found: Found) -> None:
    found.latencies[USUAL, 0.8] = [{"p50": 1.0, "p99": p99, "generator_late_ms": 3} for p99 in (50.0, 500.0, 190.0)]
    found.peaks[WORKER] = [500.0, 125.0, 110.0]
    result = summary(found, 0.8)
    assert result["p99_of_usual_peer"] == 0.5  # 2.1, 0.2, 0.5; of medians: 0.526
    assert result["drain_of_peak"] == 2  # 1, 2, 5; of medians: 4


def test_a_lone_post_is_compared_with_what_no_worker_can_avoid(found: Found) -> None:
    assert summary(found, 0.8)["lone_post_ratio"] == 2.0  # 18 ms, of 5 for the model and 2 x 2 for the broker


def test_table_has_a_row_for_each_way_and_each_share(found: Found) -> None:
    lines = markdown(found).splitlines()
    assert "| worker | 500 | 5.00 | 500, 250, 550 | 5000 |" in lines
    assert "| worker | a lone post | 18 | 20 |" in lines
    assert "| usual | 80% | 18 | 500 |" in lines
    assert "| worker | 250 | 250, 125, 275 |" in lines
    assert len(lines) == 2 + 6 + 1 + 2 + 2 + 1 + 2 + 5


def test_shares_are_of_what_a_way_does_while_posts_come(found: Found) -> None:
    result = summary(found, 0.8)
    assert (found.peak(WORKER), result["drain_of_peak"]) == (250, 2)
    assert result["p99_at_50_percent_of_lone_p50"] == 3


def test_difference_is_over_posts_that_both_scored() -> None:
    one = {"a": {"hate": 0.5, "offensive": 0.1}, "b": {"hate": 0.9, "offensive": 0.9}}
    other = {"a": {"hate": 0.4, "offensive": 0.4}}
    assert difference(one, other) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="no post"):
        difference(one, {})
