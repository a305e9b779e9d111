"""What goes in comes out: once, in order, committed after its acknowledgement."""

import asyncio

import pytest

from tests.pipeline.fakes import A, B, post, posts
from tests.pipeline.rig import Rig
from worker.core.types import Channel, Record
from worker.pipeline import Limits


async def test_posts_leave_in_order_though_scoring_finishes_in_another() -> None:
    rig = Rig(
        *posts(40),
        *posts(40, B, first=100),
        limits=Limits(scoring_threads=4, batch_tokens=3),
        delays=[0.0, 0.0, *(delay for n in range(30) for delay in (5.0 - n % 5, 0.5, 3.0))],
    )
    await rig.settle(60)
    assert rig.sink.offsets(A) == list(range(40))
    assert rig.sink.offsets(B) == list(range(100, 140))
    await rig.stop()
    assert rig.source.committed == {A: 40, B: 140}
    assert rig.source.rewinds == 0


async def test_nothing_is_committed_before_its_acknowledgement() -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 2]
    assert rig.source.commits == []
    rig.sink.acknowledge(rig.sink.sent[1])
    await rig.settle(5)
    assert rig.source.commits == []
    rig.sink.acknowledge(rig.sink.sent[0])
    await rig.settle(5)
    assert rig.source.commits == [{A: 2}]
    rig.sink.acknowledge()
    await rig.stop()
    assert rig.source.committed == {A: 3}


async def test_a_record_with_two_outputs_is_committed_after_both_acknowledgements() -> None:
    rig = Rig(post(7, tokens="bad"), automatic=False)
    await rig.settle(5)
    assert [sent.outgoing.channel for sent in rig.sink.sent] == [Channel.DEAD_LETTER, Channel.OUTPUT]
    rig.sink.acknowledge(rig.sink.sent[1])
    await rig.settle(5)
    assert rig.source.commits == []
    rig.sink.acknowledge()
    await rig.settle(5)
    assert rig.source.committed == {A: 8}
    assert rig.observer.done == [7]
    await rig.stop()


async def test_offsets_with_gaps_are_committed_one_past_the_last_finished_record() -> None:
    rig = Rig(post(5), post(90), post(1000))
    await rig.settle(5)
    await rig.stop()
    assert rig.sink.offsets() == [5, 90, 1000]
    assert rig.source.committed == {A: 1001}


async def test_tombstones_and_rejected_records_keep_their_place_among_scored_posts() -> None:
    rig = Rig(
        post(0),
        Record(A, 1, -1, b"key", None),
        post(2, tokens="bad"),
        post(3),
        delays=[0.0, 4.0],
    )
    await rig.settle(10)
    assert rig.sink.values() == ["0 scored", "tombstone", "2 not_json", "3 scored"]
    await rig.stop()


async def test_an_ended_source_ends_the_run_once_everything_is_out_and_committed() -> None:
    rig = Rig(*posts(700), ends=True, automatic=False)
    await rig.settle(5)
    assert not rig.running.done()
    rig.sink.acknowledge()
    await rig.running
    assert rig.sink.offsets() == list(range(700))
    assert rig.source.committed == {A: 700}
    rig.nothing_is_charged()


async def test_posts_in_flight_never_pass_the_budget_and_the_pause_is_reported() -> None:
    rig = Rig(*posts(25), limits=Limits(max_posts=10, pause_after=1.0), automatic=False)
    await rig.settle(5)
    assert len(rig.sink.sent) == 10
    assert rig.source.polled[0] == 10
    assert 0 in rig.source.polled  # paused, and still a member
    assert sum(rig.observer.pauses) >= 4
    rig.sink.automatic = True
    rig.sink.acknowledge()
    await rig.settle(5)
    assert rig.observer.most_posts <= 10
    assert rig.sink.offsets() == list(range(25))
    await rig.stop()


async def test_a_budget_of_bytes_stops_intake_too() -> None:
    rig = Rig(*posts(2), limits=Limits(max_bytes=4), automatic=False)
    await rig.settle(0.5)
    rig.source.append(*posts(2, first=2))
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1]
    rig.sink.automatic = True
    rig.sink.acknowledge()
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 2, 3]
    await rig.stop()


async def test_records_of_a_partition_that_is_no_longer_assigned_are_dropped_uncommitted() -> None:
    rig = Rig(*posts(2))
    await rig.settle(0.5)
    rig.source._open[B] = 0  # as if fetched before a revocation
    rig.source.append(*posts(3, B), *posts(1, first=2))
    await rig.settle(5)
    await rig.stop()
    assert rig.sink.offsets(B) == []
    assert rig.source.committed == {A: 3}


async def test_idle_time_costs_no_commits() -> None:
    rig = Rig(*posts(3))
    await rig.settle(60)
    assert rig.source.commits == [{A: 3}]
    await rig.stop()
    assert rig.source.commits == [{A: 3}]


async def test_a_run_that_is_cancelled_commits_nothing_unacknowledged() -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(0.5)
    rig.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rig.running
    assert rig.source.commits == []
