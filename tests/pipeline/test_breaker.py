"""The breaker in the flow: intake pauses, the source is still polled, nothing in flight is dropped, and it comes back."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.pipeline import fakes
from tests.pipeline.fakes import POISON, A, B, post, posts
from tests.pipeline.rig import Rig
from worker.core.breaker import BreakerRule, Cause, State
from worker.core.errors import Reason
from worker.core.ports import Outcome
from worker.core.types import Channel, Outgoing, Partition, Record, Scores, Window
from worker.pipeline import Limits

RULE = BreakerRule(minimum=20, cool_down=30.0, probe=5)
OPEN = Limits(breaker=RULE, max_posts=20)


class Model:
    """Fails for everything until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self, windows: Sequence[Window]) -> list[Scores]:
        if not self.mended:
            raise ArithmeticError("out of order")
        return fakes.score(windows)


def rejected(rig: Rig, *partitions: Partition) -> int:
    return sum(len(rig.sink.values(p, Channel.DEAD_LETTER)) for p in partitions or (A,))


async def test_a_model_that_fails_for_everything_pauses_intake_but_not_the_polls() -> None:
    rig = Rig(*posts(200), limits=OPEN, score=Model())
    await rig.settle(20)
    assert rig.observer.breaker_states == [(State.OPEN, Cause.FAILING)]
    assert rig.observer.breaker_reasons == ["model_failed: the model raised ArithmeticError"]
    read = len(rig.observer.read)
    assert RULE.minimum <= read <= RULE.minimum + OPEN.max_posts
    assert read == rejected(rig) == rig.source.committed[A]
    assert rig.source.polled.count(0) > 100
    assert not len(rig.pipeline.lanes[A].ledger)  # no work without progress: alive
    await rig.stop()
    assert rig.source.committed == {A: read}


async def test_each_trial_of_a_model_that_still_fails_costs_a_few_records() -> None:
    rig = Rig(*posts(200), limits=OPEN, score=Model())
    await rig.settle(20)
    before = len(rig.observer.read)
    await rig.settle(80)
    assert [state for state, _ in rig.observer.breaker_states] == [State.OPEN, *[State.HALF_OPEN, State.OPEN] * 3]
    assert len(rig.observer.read) == before + 3 * RULE.probe
    await rig.stop()


async def test_after_the_cool_down_and_mending_intake_goes_on_and_nothing_is_lost() -> None:
    model = Model()
    rig = Rig(*posts(200), *posts(50, B, first=1000), limits=OPEN, score=model)
    await rig.settle(20)
    before = rejected(rig, A, B)
    model.mended = True
    await rig.settle(60)
    assert [state for state, _ in rig.observer.breaker_states] == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    assert rig.sink.offsets(A) == list(range(200))
    assert rig.sink.offsets(B) == list(range(1000, 1050))
    assert rejected(rig, A, B) == before < 50
    await rig.stop()
    assert rig.source.committed == {A: 200, B: 1050}


async def test_records_in_flight_when_it_opens_are_finished() -> None:
    rig = Rig(*posts(100), limits=Limits(breaker=RULE, max_posts=100, batch_tokens=1), score=Model())
    await rig.settle(20)
    assert rig.sink.offsets() == list(range(100))
    assert rig.source.committed == {A: 100}
    await rig.stop()


async def test_a_topic_whose_records_are_no_posts_opens_it() -> None:
    rig = Rig(*(post(n, tokens="bad") for n in range(100)), limits=OPEN)
    await rig.settle(20)
    assert rig.observer.breaker_states == [(State.OPEN, Cause.UNREADABLE)]
    assert rig.observer.breaker_reasons == ["not_json: no JSON"]
    assert len(rig.observer.read) < 50
    await rig.stop()


async def test_a_few_poisonous_posts_and_tombstones_do_not_open_it() -> None:
    records = [post(n, tokens=f"{POISON}" if n % 4 == 0 else "1") for n in range(100)]
    records += [Record(A, n, -1, b"key", None) for n in range(100, 200)]
    records += [post(n, tokens="old") for n in range(200, 300)]
    rig = Rig(*records, limits=OPEN)
    await rig.settle(20)
    assert rig.observer.breaker_states == []
    assert rig.source.committed == {A: 300}
    await rig.stop()


async def test_without_a_rule_nothing_pauses() -> None:
    rig = Rig(*posts(200), score=Model())
    await rig.settle(20)
    assert rejected(rig) == 200
    assert rig.observer.breaker_states == []
    await rig.stop()


async def test_scores_that_give_no_verdict_count_as_failures() -> None:
    def encode(record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        return tuple(Outgoing(Channel.DEAD_LETTER, o.key, o.value, o.headers) for o in fakes.encode(record, outcome))

    rig = Rig(*posts(100), limits=OPEN, encode=encode)
    await rig.settle(20)
    assert rig.observer.breaker_states == [(State.OPEN, Cause.FAILING)]
    await rig.stop()


async def test_a_stop_while_it_is_open_ends_at_once() -> None:
    rig = Rig(*posts(200), limits=OPEN, score=Model())
    await rig.settle(20)
    start = asyncio.get_running_loop().time()
    await rig.stop()
    assert asyncio.get_running_loop().time() - start < 0.1


@pytest.mark.parametrize("mended", [True, False])
async def test_partitions_that_come_and_go_while_it_is_open_are_read_from_their_commits(mended: bool) -> None:
    model = Model()
    rig = Rig(*posts(200), limits=OPEN, score=model)
    await rig.settle(20)
    before = rejected(rig)
    await rig.source.revoke(A)
    rig.source.append(*posts(3, B))
    rig.source.assign(B)
    model.mended = mended
    await rig.settle(60)
    assert rig.sink.offsets(B) == [0, 1, 2]  # fewer than a trial: it goes on
    rig.source.assign(A)
    await rig.settle(5)
    assert rig.source.committed[A] == (200 if mended else before + 2)
    assert rejected(rig, A, B) == before + (0 if mended else RULE.probe)
    await rig.stop()


async def test_a_trial_whose_partition_is_taken_away_tries_others() -> None:
    model = Model()
    rig = Rig(*posts(200), limits=OPEN, score=model, delays=[0.0] * 60)
    await rig.settle(29.5)
    rig.sink.automatic = False
    await rig.settle(5)
    assert len(rig.pipeline.lanes[A].ledger) == RULE.probe  # a trial's outputs wait for their acknowledgement
    rig.sink.automatic = True
    await rig.source.revoke(A)
    model.mended = True
    rig.source.append(*posts(100, B))
    rig.source.assign(B)
    await rig.settle(80)
    assert rig.sink.offsets(B) == list(range(100))
    assert Reason.INTERNAL not in rig.observer.reasons
    await rig.stop()
