import asyncio
import os
from pathlib import Path

import pytest

from load_tests.bench.lab import Lab
from load_tests.scale import Setup, compared, drained, main, setups, table
from tests.harness import Kafka


def test_processors_are_doubled_until_there_are_no_more() -> None:
    found = [(each.count, each.cpus) for each in setups([3, 5, 6]) if each.kind == "processors"]
    assert found == [(1, (3,)), (2, (3, 5))]


def test_workers_share_the_threads_that_there_are_processors_for() -> None:
    threads = {
        each.count: each.way().env["MODERATION_SCORING_THREADS"] for each in setups(range(4)) if each.kind == "workers"
    }
    assert threads == {1: "4", 2: "2", 4: "1"}
    assert "taskset --cpu-list 3,5 " in Setup("processors", 2, (3, 5)).way().command


def test_ratios_are_of_rounds_to_the_first_of_the_kind() -> None:
    one, two, other = Setup("processors", 1, (0,)), Setup("processors", 2, (0, 1)), Setup("workers", 1, (0, 1))
    found = compared({one: [10.0, 20.0, 40.0], two: [15.0, 40.0, 72.0], other: [7.0, 7.0, 7.0]})
    assert found["processors"]["2"] == {"posts_per_second": 40.0, "ratio": 1.8}
    assert found["workers"]["1"]["ratio"] == 1
    assert table(found).splitlines()[3] == "| processors | 2 | 40 | 1.80 |"


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--rounds", "0"])


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_two_workers_drain_one_backlog(tmp_path: Path) -> None:
    setup = Setup("workers", 2, tuple(os.sched_getaffinity(0)), partitions=2, workers=2)
    with Kafka() as kafka:
        assert asyncio.run(drained(Lab(kafka, tmp_path), setup, "two", 400, tmp_path)) > 0
