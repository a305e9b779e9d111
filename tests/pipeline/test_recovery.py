"""Sends and acknowledgements fail: everything is published in the end, in order."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.pipeline.fakes import A, B, post, posts
from tests.pipeline.rig import BACKOFF, Rig
from worker.core.errors import Transient
from worker.core.types import Outgoing, Partition
from worker.pipeline import Limits


def first_occurrences(offsets: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(offsets))


@pytest.mark.parametrize("failing", [0, 3, 9])
async def test_after_a_send_that_raises_everything_is_published_in_order(failing: int) -> None:
    rig = Rig(*posts(10), *posts(10, B, first=50))
    sends = 0

    def refuses(_partition: Partition, _outgoing: Outgoing) -> bool:
        nonlocal sends
        sends += 1
        if sends == failing + 1:
            rig.sink.send_faults = [Transient("the connection is gone")]
        return False

    rig.sink.refuses = refuses
    await rig.settle(30)
    assert len(rig.sink.resets) == rig.source.rewinds == rig.observer.rewinds == 1
    assert first_occurrences(rig.sink.offsets(A)) == list(range(10))
    assert first_occurrences(rig.sink.offsets(B)) == list(range(50, 60))
    await rig.stop()
    assert rig.source.committed == {A: 10, B: 60}


@pytest.mark.parametrize("cancelled", [True, False])
async def test_after_an_acknowledgement_that_fails_what_follows_it_is_sent_again(cancelled: bool) -> None:
    rig = Rig(*posts(5), automatic=False)
    await rig.settle(0.5)
    first = list(rig.sink.sent)
    rig.sink.acknowledge(*first[:2])
    if cancelled:
        first[2].future.cancel()
    else:
        first[2].future.set_exception(Transient("timed out"))
    rig.sink.automatic = True
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 2, 3, 4, 2, 3, 4]
    assert len(rig.sink.resets) == rig.source.rewinds == 1
    await rig.stop()
    assert rig.source.committed == {A: 5}


async def test_a_record_whose_second_output_fails_is_sent_again_with_both() -> None:
    rig = Rig(post(0, tokens="bad"), automatic=False)
    await rig.settle(0.5)
    dead_letter, verdict = rig.sink.sent
    rig.sink.acknowledge(dead_letter)
    verdict.future.set_exception(Transient("timed out"))
    rig.sink.automatic = True
    await rig.settle(5)
    assert len(rig.sink.sent) == 4
    await rig.stop()
    assert rig.source.committed == {A: 1}


async def test_decisions_after_the_publisher_gave_up_are_published_after_the_rewind() -> None:
    rig = Rig(*posts(30), limits=Limits(batch_tokens=4), delays=[0.0, *[0.05] * 100])
    rig.sink.send_faults = [Transient("away")]
    await rig.settle(30)
    assert rig.sink.offsets() == list(range(30))
    await rig.stop()
    assert rig.source.committed == {A: 30}


async def test_a_producer_that_cannot_be_replaced_yet_is_tried_again() -> None:
    rig = Rig(*posts(5))
    rig.sink.send_faults = [Transient("away")]
    rig.sink.reset_faults = [Transient("still away")] * 5
    await rig.settle(30)
    assert len(rig.sink.resets) == 6
    assert rig.sink.offsets() == list(range(5))
    await rig.stop()
    assert rig.source.committed == {A: 5}


async def test_a_failure_while_polled_records_are_on_their_way_in_loses_none() -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(0.5)
    # The poll returns the new record in the very step in which the failure cancels it.
    rig.source.append(post(3))
    rig.sink.sent[1].future.set_exception(Transient("timed out"))
    rig.sink.automatic = True
    await rig.settle(10)
    assert first_occurrences(rig.sink.offsets()) == [0, 1, 2, 3]
    await rig.stop()
    assert rig.source.committed == {A: 4}


@pytest.mark.parametrize("steps", range(12))
async def test_a_failure_at_any_step_of_a_poll_loses_no_record(steps: int) -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(0.5)
    rig.source.append(*posts(200, first=3))
    for _ in range(steps):
        await asyncio.sleep(0)
    rig.sink.sent[1].future.set_exception(Transient("timed out"))
    rig.sink.automatic = True
    await rig.settle(10)
    assert first_occurrences(rig.sink.offsets()) == list(range(203))
    await rig.stop()
    assert rig.source.committed == {A: 203}


@pytest.mark.parametrize("steps", range(12))
async def test_a_revocation_at_any_step_of_a_recovery_loses_no_record(steps: int) -> None:
    rig = Rig(*posts(3), *posts(3, B), automatic=False, limits=Limits(drain_timeout=1.0))
    await rig.settle(0.5)
    rig.sink.sent[1].future.set_exception(Transient("timed out"))
    for _ in range(steps):
        await asyncio.sleep(0)
    rig.sink.automatic = True
    await rig.source.revoke(A)
    await rig.settle(5)
    rig.source.assign(A)
    await rig.settle(10)
    assert first_occurrences(rig.sink.offsets(A)) == first_occurrences(rig.sink.offsets(B)) == [0, 1, 2]
    await rig.stop()
    assert rig.source.committed == {A: 3, B: 3}


async def test_a_revocation_while_the_producer_is_replaced_waits_for_nothing() -> None:
    rig = Rig(*posts(3), *posts(3, B), automatic=False)
    seconds: list[float] = []

    async def revoke() -> None:
        began = asyncio.get_running_loop().time()
        await rig.source.revoke(A, B)
        seconds.append(asyncio.get_running_loop().time() - began)

    rig.sink.before_reset = revoke
    await rig.settle(0.5)
    rig.sink.automatic = True
    rig.sink.sent[0].future.set_exception(Transient("timed out"))
    await rig.settle(10)
    assert seconds == [0.0]
    rig.source.assign(B)
    await rig.settle(5)
    assert first_occurrences(rig.sink.offsets(B)) == [0, 1, 2]
    await rig.stop()


async def test_after_a_failed_output_nothing_more_of_its_partition_is_handed_over_before_the_rewind() -> None:
    rig = Rig(*posts(20))
    rig.sink.refuses = lambda _partition, outgoing: outgoing.value == b"3 scored" and not rig.source.rewinds
    await rig.settle(10)
    # 4 was being sent when 3 failed; 5 and later would come out before 3 where a sink took them.
    assert rig.sink.offsets() == [0, 1, 2, 3, 4, *range(3, 20)]
    await rig.stop()


async def test_failures_of_partitions_given_away_do_not_count_against_later_ones() -> None:
    rig = Rig(*posts(3))
    rig.sink.send_faults = [Transient("away")]
    rig.sink.reset_faults = [Transient("away")] * 3
    await rig.settle(0.01)
    await rig.source.revoke(A)
    await rig.settle(10 * BACKOFF.deadline)
    rig.sink.send_faults = [Transient("away")]
    rig.source.assign(A)
    await rig.settle(10)
    assert rig.sink.offsets() == [0, 1, 2]
    await rig.stop()
