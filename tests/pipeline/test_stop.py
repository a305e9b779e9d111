"""A clean stop: nothing new is taken, what is in flight is finished, committed, and never repeated."""

import asyncio

import pytest

from tests.pipeline.fakes import A, B, post, posts
from tests.pipeline.rig import Rig
from worker.core.errors import Transient
from worker.core.ports import Outcome
from worker.core.types import Outgoing, Record
from worker.pipeline import Limits


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_stop_finishes_and_commits_what_is_in_flight_and_takes_nothing_new() -> None:
    rig = Rig(*posts(30), limits=Limits(batch_tokens=4), delays=[0.0, *[1.0] * 30])
    await rig.settle(2)
    rig.pipeline.stop()
    rig.source.append(post(30))
    await rig.running
    assert rig.sink.offsets() == list(range(30))
    assert rig.source.committed == {A: 30}
    rig.nothing_is_charged()


async def test_a_stop_while_records_are_prepared_finishes_those_already_read() -> None:
    rig = Rig(*posts(300), delays=[2.0] * 5)
    await rig.settle(1)
    await rig.stop()
    assert rig.sink.offsets() == list(range(300))
    assert rig.source.committed == {A: 300}


async def test_a_stop_before_the_start_ends_at_once() -> None:
    rig = Rig(*posts(3))
    rig.pipeline.stop()
    await rig.running
    assert now() == 0.0
    assert rig.sink.sent == []


async def test_a_stop_gives_up_at_the_drain_bound_and_commits_what_is_done() -> None:
    rig = Rig(*posts(3), automatic=False, limits=Limits(drain_timeout=7.0, commit_interval=1000.0))
    await rig.settle(1)
    rig.sink.acknowledge(rig.sink.sent[0])
    await rig.stop()
    assert now() == 1.0 + 7.0
    assert rig.source.committed == {A: 1}


async def test_a_stop_while_records_are_prepared_is_bounded_too() -> None:
    rig = Rig(*posts(300), delays=[0.0, *[4.0] * 10], limits=Limits(drain_timeout=7.0))
    await rig.settle(1)
    await rig.stop()
    assert now() <= 1.0 + 7.0 + 4.0  # one chunk more at most
    assert 0 < rig.source.committed[A] < 300
    assert rig.sink.offsets() == list(range(rig.source.committed[A]))


async def test_a_second_stop_does_not_begin_the_bound_anew() -> None:
    rig = Rig(*posts(3), automatic=False, limits=Limits(drain_timeout=7.0))
    await rig.settle(1)
    rig.pipeline.stop()
    await rig.settle(5)
    await rig.stop()
    assert now() == 1.0 + 7.0


async def test_a_stop_with_a_full_budget_takes_nothing_more() -> None:
    rig = Rig(*posts(30), automatic=False, limits=Limits(max_posts=10, pause_after=1.0))
    await rig.settle(1.5)
    rig.pipeline.stop()
    await rig.settle()
    rig.sink.automatic = True
    rig.sink.acknowledge()
    await rig.running
    assert now() < 1.6
    assert rig.source.committed == {A: 10}


async def test_a_stop_waits_for_ended_input_no_longer_than_the_drain_bound() -> None:
    rig = Rig(*posts(3), ends=True, automatic=False, limits=Limits(drain_timeout=7.0))
    await rig.settle(1)
    await rig.stop()
    assert now() == 1.0 + 7.0


async def test_a_send_that_fails_during_the_stop_is_not_waited_for() -> None:
    rig = Rig(*posts(3), automatic=False, limits=Limits(drain_timeout=25.0, commit_interval=1000.0))
    await rig.settle(1)
    rig.pipeline.stop()
    await rig.settle(1)
    rig.sink.acknowledge(rig.sink.sent[0])
    rig.sink.sent[1].future.set_exception(Transient("refused"))
    await rig.running
    assert now() < 3
    assert rig.source.committed == {A: 1}
    rig.nothing_is_charged()


@pytest.mark.parametrize("steps", range(8))
async def test_a_send_that_fails_at_any_step_of_the_stop_is_not_waited_for(steps: int) -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(0.5)
    rig.source.append(*posts(3, first=3))
    for _ in range(steps):
        await asyncio.sleep(0)
    rig.sink.sent[0].future.set_exception(Transient("refused"))
    await asyncio.sleep(0)
    await rig.stop()
    assert now() < 3


async def test_a_send_that_fails_during_the_stop_keeps_other_partitions_from_waiting_too() -> None:
    rig = Rig(*posts(3), *posts(3, B), automatic=False, limits=Limits(drain_timeout=25.0, commit_interval=1000.0))
    await rig.settle(1)
    rig.pipeline.stop()
    await rig.settle()
    rig.sink.acknowledge(next(sent for sent in rig.sink.sent if sent.partition == B))
    next(sent for sent in rig.sink.sent if sent.partition == A).future.set_exception(Transient("lost"))
    await rig.running
    assert now() < 2.0  # the sink is halted: nothing more will be acknowledged
    assert rig.source.committed == {B: 1}


async def test_a_stop_while_a_poll_waits_ends_at_once() -> None:
    rig = Rig(*posts(3))
    await rig.settle(0.25)
    await rig.stop()
    assert now() == 0.25


async def test_a_stop_during_a_recovery_ends_within_its_delay() -> None:
    rig = Rig(*posts(3))
    rig.sink.send_faults = [Transient("away")]
    rig.sink.reset_faults = [Transient("away")] * 1000
    await rig.settle(20)
    began = now()
    rig.pipeline.stop()
    await rig.running
    assert now() - began <= 1.0
    assert rig.source.committed == {}
    rig.nothing_is_charged()


async def test_stopping_twice_is_stopping_once() -> None:
    rig = Rig(*posts(3), delays=[0.0, 3.0])
    await rig.settle(1)
    rig.pipeline.stop()
    await rig.settle()
    await rig.stop()
    assert rig.source.committed == {A: 3}


async def test_a_defect_in_the_very_step_of_the_stop_ends_the_run_at_once() -> None:
    def broken(_record: Record, _outcome: Outcome) -> tuple[Outgoing, ...]:
        rig.pipeline.stop()
        raise TypeError

    rig = Rig(*posts(3), encode=broken, delays=[0.0, 0.5])
    with pytest.raises(ExceptionGroup) as caught:
        await rig.running
    assert caught.group_contains(TypeError)
    assert now() < 2
    assert rig.source.committed == {}
