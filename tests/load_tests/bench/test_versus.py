import json

import pytest

from load_tests.bench.versus import compared, main, measured, table

STEADY = {
    "drained_per_second": None,
    "per_second": 100.0,
    "cores": {"worker": 1.5, "broker": 0.25, "generator": 0.1},
    "latency_ms": {"p50": 40.0, "p99": 200.0},
}


def test_processor_time_is_for_each_post() -> None:
    assert measured(STEADY) == {"worker_cpu_ms": 15.0, "broker_cpu_ms": 2.5, "p50_ms": 40.0, "p99_ms": 200.0}
    drained = STEADY | {"drained_per_second": 50.0}
    assert measured(drained) == {"posts_per_second": 50.0, "worker_cpu_ms": 30.0, "broker_cpu_ms": 5.0}


def test_ratios_are_of_rounds_and_their_median_counts() -> None:
    found = compared(
        {
            "A": [{"p50_ms": 10.0}, {"p50_ms": 100.0}, {"p50_ms": 20.0}],
            "B": [{"p50_ms": 5.0}, {"p50_ms": 80.0}, {"p50_ms": 8.0}],
        }
    )
    assert found["A"] == {"p50_ms": 20.0, "x_p50_ms": 1.0}
    assert found["B"] == {"p50_ms": 8.0, "x_p50_ms": 0.5}
    assert table(found).splitlines()[-1] == "| B | 8 (x 0.50) |"


@pytest.mark.parametrize(
    "line",
    [
        "--rate 0 MODERATION_A=1",
        "--rate 5 A=1",
        "--rate 5 MODERATION_A",
        "--rate 5 MODERATION_A=1 MODERATION_A=1",
        "MODERATION_A=1",
    ],
)
def test_what_compares_nothing_is_refused(line: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_copies_with_and_without_the_cache(capsys: pytest.CaptureFixture[str]) -> None:
    off, on = (f"MODERATION_SCORE_CACHE_SIZE={size}" for size in (0, 1000))
    line = f"--profile duplicates --rate 20 --seconds 5 --longest 60 --rounds 1 {off} {on}"
    assert main(line.split()) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found) == {off, on}
    assert found[off]["worker_cpu_ms"] > 0
    assert found[on]["x_p50_ms"] == pytest.approx(found[on]["p50_ms"] / found[off]["p50_ms"], rel=0.05)
