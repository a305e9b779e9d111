"""Partitions come and go: what is done is committed, the rest is forgotten and read again by its next owner."""

import asyncio

from tests.pipeline.fakes import A, B, post, posts
from tests.pipeline.rig import Rig
from worker.core.errors import Reason, Transient
from worker.pipeline import Limits


async def test_a_revoked_partition_is_finished_and_committed_before_it_is_given_up() -> None:
    rig = Rig(*posts(5), *posts(3, B), delays=[0.0, 3.0])
    await rig.settle(0.5)
    await rig.source.revoke(A)
    assert rig.source.committed[A] == 5
    assert list(rig.pipeline.lanes) == [B]
    await rig.stop()
    assert rig.source.committed == {A: 5, B: 3}


async def test_a_revocation_waits_no_longer_than_the_drain_bound_and_commits_what_is_done() -> None:
    rig = Rig(*posts(4), automatic=False, limits=Limits(drain_timeout=7.0, commit_interval=1000.0))
    await rig.settle(0.5)
    rig.sink.acknowledge(*rig.sink.sent[:2])
    began = asyncio.get_running_loop().time()
    await rig.source.revoke(A)
    assert asyncio.get_running_loop().time() - began == 7.0
    assert rig.source.committed == {A: 2}
    assert rig.pipeline._budget.posts == 0
    await rig.stop()


async def test_acknowledgements_that_come_after_the_revocation_change_nothing() -> None:
    rig = Rig(*posts(4), automatic=False, limits=Limits(drain_timeout=1.0))
    await rig.settle(0.5)
    late = list(rig.sink.sent)
    await rig.source.revoke(A)
    rig.source.assign(A)
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 2, 3, 0, 1, 2, 3]
    rig.sink.acknowledge(*late)
    await rig.settle(5)
    assert rig.source.commits == []
    assert rig.source.rewinds == 0
    rig.sink.acknowledge()
    await rig.stop()
    assert rig.source.committed == {A: 4}


async def test_a_failure_after_the_revocation_halts_the_sink_before_what_follows_it_is_stored() -> None:
    rig = Rig(*posts(4), *posts(2, B), automatic=False, limits=Limits(drain_timeout=1.0))
    await rig.settle(0.5)
    late = [sent for sent in rig.sink.sent if sent.partition == A]
    await rig.source.revoke(A)
    rig.sink.automatic = True
    late[0].future.set_exception(Transient("refused"))
    await rig.settle()
    assert rig.sink.halts == 1
    await rig.settle(5)
    assert rig.source.rewinds == 1
    late[1].future.set_exception(Transient("of the producer that was replaced"))
    await rig.settle(5)
    assert rig.source.rewinds == 1
    await rig.settle(10_000)  # far past the deadline: what was taken away does not count against the next failure
    rig.source.append(post(2, B))
    rig.sink.send_faults.append(Transient("another one"))
    await rig.settle(60)
    assert rig.source.rewinds == 2
    await rig.stop()
    assert rig.source.committed == {B: 3}


async def test_scores_that_come_after_the_revocation_are_published_by_the_next_owner_only() -> None:
    rig = Rig(*posts(4), limits=Limits(drain_timeout=1.0), delays=[0.0, 30.0])
    await rig.settle(0.5)
    await rig.source.revoke(A)
    await rig.settle(60)
    assert rig.sink.sent == []
    rig.source.assign(A)
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 2, 3]
    await rig.stop()


async def test_a_partition_assigned_again_without_a_revocation_is_begun_anew_from_its_commit() -> None:
    rig = Rig(*posts(4), automatic=False)
    await rig.settle(0.5)
    rig.sink.acknowledge(rig.sink.sent[0])
    await rig.settle(2)
    rig.source._open.clear()
    rig.source.append(post(4))
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 2, 3, 1, 2, 3, 4]
    rig.sink.acknowledge()
    await rig.stop()
    assert rig.source.committed == {A: 5}


async def test_a_partition_revoked_while_its_records_are_prepared_leaves_nothing_charged() -> None:
    rig = Rig(*posts(200), limits=Limits(drain_timeout=1.0), delays=[5.0, 5.0])
    await rig.settle(1)
    assert rig.pipeline._budget.posts == 200
    await rig.source.revoke(A)
    assert rig.pipeline._budget.posts == 0
    await rig.settle(60)
    assert rig.sink.sent == []
    rig.source.assign(A)
    await rig.settle(60)
    assert rig.sink.offsets() == list(range(200))
    await rig.stop()


async def test_records_read_while_the_last_commit_of_a_revocation_runs_are_forgotten() -> None:
    rig = Rig(*posts(2), limits=Limits(commit_interval=1000.0))
    await rig.settle(0.5)
    gate = asyncio.Event()
    commit = rig.source.commit

    async def slow(offsets: dict[object, int]) -> None:
        await gate.wait()
        await commit(offsets)  # type: ignore[arg-type]

    rig.source.commit = slow  # type: ignore[method-assign,assignment]
    assert rig.source.rebalance is not None
    revoking = asyncio.ensure_future(rig.source.rebalance.revoked([A]))
    await rig.settle()
    rig.source.append(post(2))  # the poll under way still returns it
    await rig.settle()
    gate.set()
    await revoking
    assert rig.source.committed == {A: 2}
    assert rig.pipeline._budget.posts == 0
    await rig.stop()


async def test_a_slow_commit_under_way_is_not_overtaken_by_that_of_a_revocation() -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(0.5)
    rig.source.commit_seconds = [5.0, 0.0]
    rig.sink.acknowledge(*rig.sink.sent[:2])
    await rig.settle(1.5)
    rig.sink.acknowledge()
    await rig.source.revoke(A)
    await rig.settle(10)
    assert rig.source.commits == [{A: 2}, {A: 3}]
    await rig.stop()


async def test_a_record_rejected_after_the_revocation_is_counted_by_its_next_owner_only() -> None:
    rig = Rig(post(0, tokens="bad"), limits=Limits(drain_timeout=1.0), delays=[5.0])
    await rig.settle(0.5)
    await rig.source.revoke(A)
    await rig.settle(10)
    assert rig.observer.reasons == []
    rig.source.assign(A)
    await rig.settle(5)
    assert rig.observer.reasons == [Reason.NOT_JSON]
    await rig.stop()


async def test_a_failing_commit_of_a_revocation_does_not_keep_the_partition() -> None:
    rig = Rig(*posts(2), limits=Limits(commit_interval=1000.0))
    await rig.settle(0.5)
    rig.source.commit_faults = [Transient("rebalance in progress")]
    await rig.source.revoke(A)
    assert not rig.pipeline.lanes
    assert rig.source.committed == {}
    rig.source.assign(A)
    await rig.settle(5)
    assert rig.sink.offsets() == [0, 1, 0, 1]
    await rig.stop()


async def test_revoking_what_was_never_assigned_is_no_error() -> None:
    rig = Rig(*posts(1))
    await rig.settle(0.5)
    assert rig.source.rebalance is not None
    await rig.source.rebalance.revoked([B])
    await rig.stop()
    assert rig.source.committed == {A: 1}
