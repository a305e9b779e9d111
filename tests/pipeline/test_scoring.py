"""A model that fails costs the posts it fails on, and nobody else."""

from collections.abc import Sequence

import pytest

from tests.pipeline import fakes
from tests.pipeline.fakes import NOT_A_NUMBER, POISON, A, post, posts
from tests.pipeline.rig import Rig
from worker.core.errors import Reason
from worker.core.ports import Outcome
from worker.core.types import Outgoing, Record, Scored, Scores, Window
from worker.pipeline import Limits


@pytest.mark.parametrize("where", [0, 1, 7, 8, 15])
async def test_one_post_the_model_fails_on_is_rejected_alone(where: int) -> None:
    records = posts(16)
    records[where] = post(where, tokens=str(POISON))
    rig = Rig(*records)
    await rig.settle(5)
    expected = [f"{n} {'model_failed' if n == where else 'scored'}" for n in range(16)]
    assert rig.sink.values() == expected
    assert rig.observer.reasons == [Reason.MODEL_FAILED]
    await rig.stop()
    assert rig.source.committed == {A: 16}


async def test_a_post_that_fails_in_one_of_its_windows_is_rejected_once_and_as_a_whole() -> None:
    rig = Rig(
        post(0, tokens="1|2|3"), post(1, tokens=f"4|{POISON}|5|{POISON}|6"), post(2, tokens="7|8"), post(3, tokens="9")
    )
    await rig.settle(5)
    assert rig.sink.values() == ["0 scored", "1 model_failed", "2 scored", "3 scored"]
    await rig.stop()


async def test_a_post_that_fails_in_several_batches_at_once_is_rejected_once() -> None:
    rig = Rig(
        post(0, tokens=f"{POISON}|{NOT_A_NUMBER}|{POISON}"),
        post(1),
        limits=Limits(scoring_threads=3, batch_tokens=1),
        delays=[0.0, 3.0, 1.0, 2.0],
    )
    await rig.settle(10)
    assert rig.sink.values() == ["0 model_failed", "1 scored"]
    assert rig.observer.reasons == [Reason.MODEL_FAILED]
    await rig.stop()


@pytest.mark.parametrize("budget", [1, 2, 3, 64])
async def test_windows_of_a_failed_post_in_other_batches_do_no_harm(budget: int) -> None:
    rig = Rig(
        post(0, tokens=f"1|{POISON}|3|4|5"),
        post(1, tokens=f"{NOT_A_NUMBER}|{POISON}|2"),
        post(2, tokens="6|7"),
        limits=Limits(scoring_threads=3, batch_tokens=budget),
        delays=[0.0, 3.0, 1.0, 2.0, 0.5, 4.0, 1.0, 3.0, 0.1],
    )
    await rig.settle(60)
    assert rig.sink.values() == ["0 model_failed", "1 model_failed", "2 scored"]
    assert rig.observer.reasons == [Reason.MODEL_FAILED] * 2
    await rig.stop()


async def test_a_model_that_fails_on_everything_rejects_every_post() -> None:
    def broken(_windows: Sequence[Window]) -> list[Scores]:
        raise MemoryError

    rig = Rig(*posts(20), score=broken)
    await rig.settle(5)
    assert rig.sink.values() == [f"{n} model_failed" for n in range(20)]
    await rig.stop()


async def test_a_batch_too_big_for_the_model_is_scored_in_halves() -> None:
    def small(windows: Sequence[Window]) -> list[Scores]:
        if len(windows) > 4:
            raise MemoryError
        return fakes.score(windows)

    rig = Rig(*posts(30), score=small)
    await rig.settle(5)
    assert rig.sink.values() == [f"{n} scored" for n in range(30)]
    await rig.stop()


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1, float("inf")])
async def test_a_score_that_is_no_probability_never_passes(wrong: float) -> None:
    def odd(windows: Sequence[Window]) -> list[Scores]:
        return [(0.5, wrong) if 2 in window else (0.5, 0.5) for window in windows]

    rig = Rig(post(0), post(1, tokens="2"), post(2, tokens="1|2"), post(3), score=odd)
    await rig.settle(5)
    assert rig.sink.values() == ["0 scored", "1 model_failed", "2 model_failed", "3 scored"]
    await rig.stop()


async def test_a_model_that_returns_too_few_scores_pairs_none_with_the_wrong_post() -> None:
    rig = Rig(*posts(4), score=lambda windows: fakes.score(windows)[1:])
    await rig.settle(5)
    assert rig.sink.values() == [f"{n} model_failed" for n in range(4)]
    await rig.stop()


async def test_scores_of_all_windows_are_pooled_whatever_batch_they_came_from() -> None:
    outcomes: list[Outcome] = []

    def spying(record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        outcomes.append(outcome)
        return fakes.encode(record, outcome)

    rig = Rig(
        post(0, tokens="9 9 9|1|4 4"),
        encode=spying,
        limits=Limits(batch_tokens=1, scoring_threads=3),
        delays=[0.0, 3.0, 1.0],
    )
    await rig.settle(10)
    [outcome] = outcomes
    assert isinstance(outcome, Scored)
    assert (outcome.scores, outcome.windows) == ((0.5,), 3)
    await rig.stop()


async def test_a_free_scorer_takes_what_waits_at_once_and_a_busy_one_fills_its_batch() -> None:
    rig = Rig(post(0), delays=[0.0, 5.0])
    await rig.settle(1)
    rig.source.append(*posts(10, first=1))
    await rig.settle(20)
    assert rig.observer.batches == [1, 10]
    await rig.stop()


async def test_what_a_revoked_partition_left_in_the_queue_is_not_scored() -> None:
    rig = Rig(*posts(30), limits=Limits(batch_tokens=3, drain_timeout=2.0), delays=[0.0, *[1.0] * 100])
    await rig.settle(0.5)
    await rig.source.revoke(A)
    scored = sum(rig.observer.batches)
    await rig.settle(30)
    assert sum(rig.observer.batches) <= scored + 3 + 3  # the batch being scored, and the one behind it
    await rig.stop()
