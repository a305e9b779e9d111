"""While more windows wait than a batch holds, records come and outcomes go many at once; else nothing is delayed."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise, repeat

import pytest

from tests.pipeline.fakes import B, encode, post, posts
from tests.pipeline.rig import Rig
from worker.core.ports import Outcome
from worker.core.types import Outgoing, Record
from worker.pipeline import Limits
from worker.pipeline.outcomes import HOLD_SECONDS
from worker.pipeline.scoring import READ_SECONDS

SCORING_SECONDS = HOLD_SECONDS / 4
ONE_AT_A_TIME = Limits(scoring_threads=1, batch_tokens=1)


@dataclass
class Encoded:
    """When each outcome was handed over, in virtual seconds."""

    at: list[float] = field(default_factory=list)

    def __call__(self, record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        self.at.append(asyncio.get_running_loop().time())
        return encode(record, outcome)


async def test_outcomes_go_on_many_together_while_more_waits_than_a_batch_holds() -> None:
    encoded = Encoded()
    rig = Rig(*posts(20), limits=ONE_AT_A_TIME, encode=encoded, delays=[0.0, *[SCORING_SECONDS] * 20])
    await rig.settle(20 * SCORING_SECONDS + 0.001)
    handed_over = sorted(set(encoded.at))
    assert rig.sink.values() == [f"{n} scored" for n in range(20)]
    assert len(handed_over) <= 20 * SCORING_SECONDS / HOLD_SECONDS + 2  # the last two wait for nobody
    assert max(after - before for before, after in pairwise(handed_over)) < 2 * HOLD_SECONDS
    await rig.stop()


async def test_no_outcome_waits_for_a_batch_that_hangs() -> None:
    encoded = Encoded()
    delays = [0.0, HOLD_SECONDS / 4, 60.0]
    rig = Rig(*posts(5), limits=ONE_AT_A_TIME, encode=encoded, delays=delays)
    await rig.settle(10)
    assert encoded.at == [pytest.approx(HOLD_SECONDS)]
    await rig.settle(60)
    await rig.stop()


async def test_outcomes_wait_for_nobody_while_each_batch_takes_all_that_waits() -> None:
    """There is always a post that waits for the scorer."""
    encoded = Encoded()
    limits = Limits(scoring_threads=1, batch_tokens=10)
    rig = Rig(post(0), limits=limits, encode=encoded, delays=repeat(SCORING_SECONDS))
    for number in range(1, 40):
        await rig.settle(SCORING_SECONDS / 2)
        rig.source.append(post(number))
    await rig.settle(1)
    assert len(encoded.at) == 40
    assert max(after - before for before, after in pairwise(encoded.at)) <= SCORING_SECONDS * 1.01
    await rig.stop()


async def test_outcomes_do_not_wait_for_what_will_fit_in_the_next_batch() -> None:
    """One batch is scored, one is ready, and the rest would not fill another."""
    encoded = Encoded()
    limits = Limits(scoring_threads=1, batch_tokens=2)
    rig = Rig(*posts(5), limits=limits, encode=encoded, delays=[0.0, HOLD_SECONDS / 4, 1.0])
    await rig.settle(0.5)
    assert encoded.at == [HOLD_SECONDS / 4] * 2
    await rig.settle(2)
    await rig.stop()


async def test_outcomes_do_not_wait_for_windows_that_nobody_wants_any_more() -> None:
    encoded = Encoded()
    limits = Limits(scoring_threads=1, batch_tokens=1, drain_timeout=0.001)
    rig = Rig(post(0), *posts(5, B), limits=limits, encode=encoded, delays=[0.0, HOLD_SECONDS / 4, 60.0])
    await rig.settle(0.001)
    await rig.source.revoke(B)
    await rig.settle(0.5)
    assert encoded.at == [HOLD_SECONDS / 4]
    await rig.settle(60)
    await rig.stop()


async def test_a_full_batch_is_ready_behind_the_one_being_scored() -> None:
    called: list[float] = []

    def delays() -> Iterator[float]:
        for delay in (0.0, *repeat(1.0, 20)):
            called.append(delay)
            yield delay

    rig = Rig(*posts(6), limits=Limits(scoring_threads=1, batch_tokens=2), delays=delays())
    await rig.settle(0.5)
    assert called == [0.0, 1.0, 1.0]  # preparing, a batch, the next
    await rig.settle(1)
    assert called == [0.0, 1.0, 1.0]  # no more waits than a batch holds: others may still join
    await rig.settle(10)
    assert rig.observer.batches == [2, 2, 2]
    await rig.stop()


@pytest.mark.parametrize("scorers", [1, 2])
async def test_windows_of_all_lengths_behind_busy_scorers_are_scored_once_and_leave_in_order(scorers: int) -> None:
    lengths = [1, 8, 2, 8, 1, 3, 8, 1, 1, 5, 2, 1]
    many = [post(n, tokens=" ".join("1" * length)) for n, length in enumerate(lengths)]
    rig = Rig(*many, limits=Limits(scoring_threads=scorers, batch_tokens=8), delays=[0.0, *repeat(1.0, 20)])
    await rig.settle(20)
    assert sum(rig.observer.batches) == len(lengths)
    assert rig.sink.values() == [f"{n} scored" for n in range(len(lengths))]
    await rig.stop()


async def test_the_last_outcome_waits_for_nobody() -> None:
    encoded = Encoded()
    rig = Rig(post(0), limits=ONE_AT_A_TIME, encode=encoded, delays=[0.0, SCORING_SECONDS])
    await rig.settle(1)
    assert encoded.at == [SCORING_SECONDS]
    await rig.stop()


async def test_records_are_read_many_together_while_more_waits_than_a_batch_holds() -> None:
    rig = Rig(post(0), limits=ONE_AT_A_TIME, delays=[0.0, 1.0])
    await rig.settle(0.01)
    before = len(rig.source.polled)
    for number in range(100):
        rig.source.append(post(1 + number))
        await rig.settle(READ_SECONDS / 10)
    assert len(rig.source.polled) - before <= 11
    assert len(rig.observer.read) > 90  # though nothing is scored meanwhile
    await rig.stop()


async def test_a_record_is_read_at_once_while_no_window_waits() -> None:
    """The scorer is busy: the next post is prepared meanwhile."""
    rig = Rig(post(0), limits=ONE_AT_A_TIME, delays=[0.0, 1.0])
    await rig.settle(0.001)
    rig.source.append(post(1))
    await rig.settle(0.001)
    assert rig.observer.read == [0, 1]
    await rig.stop()


@pytest.mark.parametrize("scorers", [1, 2, 3])
async def test_every_scorer_hands_over_and_is_fed(scorers: int) -> None:
    limits = replace(ONE_AT_A_TIME, scoring_threads=scorers)
    rig = Rig(*posts(30), limits=limits, delays=[0.0, *[SCORING_SECONDS] * 30])
    await rig.settle(30 * SCORING_SECONDS / scorers + 0.001)
    assert rig.observer.batches == [1] * 30
    await rig.settle(HOLD_SECONDS)
    assert rig.sink.values() == [f"{n} scored" for n in range(30)]
    await rig.stop()


async def test_a_stop_reads_no_more() -> None:
    rig = Rig(post(0), limits=ONE_AT_A_TIME, delays=[0.0, 0.0, 0.0, HOLD_SECONDS / 2])
    await rig.settle(1)
    rig.source.append(*posts(3, first=1))
    await rig.settle(0.001)
    polled = len(rig.source.polled)
    await rig.stop()
    assert len(rig.source.polled) == polled
    assert rig.sink.values() == [f"{n} scored" for n in range(len(rig.observer.read))]


@pytest.mark.parametrize("seconds", [2 * HOLD_SECONDS, HOLD_SECONDS / 4])
async def test_a_defect_in_handing_over_is_not_taken_for_the_models(seconds: float) -> None:
    def broken(_record: Record, _outcome: Outcome) -> tuple[Outgoing, ...]:
        raise RuntimeError("a defect")

    rig = Rig(*posts(5), limits=ONE_AT_A_TIME, encode=broken, delays=[0.0, seconds, *[2 * HOLD_SECONDS] * 5])
    with pytest.raises(ExceptionGroup) as raised:
        await rig.running
    assert raised.group_contains(RuntimeError, match="a defect")
    assert rig.observer.reasons == []


async def test_a_scorer_that_gets_free_is_not_kept_waiting_for_records() -> None:
    rig = Rig(post(0), limits=ONE_AT_A_TIME, delays=[0.0, READ_SECONDS / 4])
    await rig.settle(0.001)
    rig.source.append(post(1))
    await rig.settle(READ_SECONDS / 2)
    assert rig.sink.values() == ["0 scored", "1 scored"]
    await rig.stop()
