"""What has the same windows is scored once; every post gets its verdict, in order, the one that it would have had."""

import random

import pytest

from tests.pipeline.fakes import NOT_A_NUMBER, POISON, A, B, post
from tests.pipeline.rig import Rig
from worker.core.errors import Reason
from worker.pipeline import Limits

ON = Limits(known_windows=100)


async def test_a_window_scored_before_costs_no_model_call() -> None:
    rig = Rig(post(0, tokens="7 8"), limits=ON)
    await rig.settle(1)
    rig.source.append(post(1, tokens="7 8"), post(2, tokens="7 9"))
    await rig.settle(1)
    assert rig.sink.values() == ["0 scored", "1 scored", "2 scored"]
    assert rig.observer.batches == [1, 1]
    assert rig.observer.lookups == [(0, 0, 1), (1, 0, 0), (0, 0, 1)]
    await rig.stop()
    assert rig.source.committed == {A: 3}


async def test_copies_that_wait_or_are_being_scored_share_one_window() -> None:
    rig = Rig(post(0, tokens="7"), post(1, tokens="7"), limits=ON, delays=[0.0, 5.0])
    await rig.settle(1)
    rig.source.append(*[post(n, tokens="7|7") for n in range(2, 5)])
    await rig.settle(1)
    assert rig.sink.values() == []
    await rig.settle(5)
    assert rig.sink.values() == [f"{n} scored" for n in range(5)]
    assert rig.observer.batches == [1]
    assert rig.observer.lookups == [(0, 0, 1), (0, 1, 0)] + [(0, 2, 0)] * 3
    await rig.stop()


async def test_without_it_every_window_is_scored() -> None:
    rig = Rig(post(0, tokens="7"), post(1, tokens="7"), limits=Limits(known_windows=0))
    await rig.settle(1)
    assert rig.observer.batches == [2]
    assert rig.observer.lookups == []
    await rig.stop()


async def test_copies_of_what_the_model_fails_on_are_rejected_and_nobody_else() -> None:
    texts = [f"5|{POISON}", str(POISON), "5", f"6|{NOT_A_NUMBER}", str(NOT_A_NUMBER), "6", f"5|{POISON}"]
    rig = Rig(*[post(n, tokens=tokens) for n, tokens in enumerate(texts)], limits=ON)
    await rig.settle(5)
    rig.source.append(post(7, tokens=str(POISON)), post(8, tokens="5|6"))
    await rig.settle(5)
    failed = {0, 1, 3, 4, 6, 7}
    assert rig.sink.values() == [f"{n} {'model_failed' if n in failed else 'scored'}" for n in range(9)]
    assert rig.observer.reasons == [Reason.MODEL_FAILED] * 6
    await rig.stop()


async def test_a_copy_outlives_the_partition_whose_post_it_waited_for() -> None:
    rig = Rig(post(0, tokens="7"), limits=Limits(known_windows=100, drain_timeout=1.0), delays=[0.0, 5.0])
    await rig.settle(0.5)
    rig.source.append(post(0, tokens="7", partition=B))
    rig.source.assign(B)
    await rig.settle(0.5)
    await rig.source.revoke(A)
    await rig.settle(10)
    assert rig.observer.batches == [1]
    assert rig.sink.values(B) == ["0 scored"]
    await rig.stop()
    assert rig.source.committed == {B: 1}


async def test_a_copy_keeps_a_window_in_the_queue_that_nobody_else_waits_for() -> None:
    limits = Limits(known_windows=100, batch_tokens=1, drain_timeout=1.0)
    rig = Rig(post(0, tokens="1"), post(1, tokens="7"), limits=limits, delays=[0.0, 5.0])
    await rig.settle(0.5)
    rig.source.append(post(0, tokens="7", partition=B))
    rig.source.assign(B)
    await rig.settle(0.5)
    await rig.source.revoke(A)
    await rig.settle(10)
    assert rig.observer.batches == [1, 1]
    await rig.stop()
    assert rig.source.committed == {B: 1}


@pytest.mark.parametrize("seed", range(5))
async def test_outputs_are_the_same_with_it_and_without(seed: int) -> None:
    draw = random.Random(seed)
    parts = ["1", "2", "3", "4 4", "5 5 5", str(POISON), str(NOT_A_NUMBER)]
    records = [post(n, tokens="|".join(draw.choices(parts, k=draw.randint(1, 3)))) for n in range(60)]
    seen = []
    for known in (0, 2, 100):
        limits = Limits(known_windows=known, batch_tokens=4, scoring_threads=3)
        rig = Rig(*records, limits=limits, delays=[draw.random() for _ in range(400)])
        await rig.settle(400)
        seen.append(rig.sink.values())
        await rig.stop()
        assert rig.source.committed == {A: 60}
    assert seen[0] == seen[1] == seen[2]
