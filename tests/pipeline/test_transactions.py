"""Exactly once: what is visible and what is committed are the same, whatever happens in between."""

import asyncio

from tests.pipeline.fakes import A, B, post, posts
from tests.pipeline.rig import Rig
from tests.pipeline.transactions import FakeTransactions
from worker.core.errors import Transient
from worker.pipeline import Limits
from worker.pipeline.transaction_size import MOST_RECORDS

SELDOM = Limits(commit_interval=50.0)
OFTEN = Limits(commit_interval=0.1)


def sink_of(rig: Rig) -> FakeTransactions:
    assert rig.transactions is not None
    return rig.transactions


def verdicts(count: int, first: int = 0) -> list[str]:
    return [f"{n} scored" for n in range(first, first + count)]


async def test_outputs_and_offset_are_committed_together() -> None:
    rig = Rig(*posts(5), limits=SELDOM, transactional=True)
    await rig.settle()
    sink = sink_of(rig)
    assert len(sink.sent) == 5
    assert (sink.visible, rig.observer.done) == ([], [])  # stored, not published
    assert rig.pipeline.budget.posts == 5
    await rig.settle(50)
    assert sink.shown() == verdicts(5)
    assert sink.commits == [(A, 5)]
    assert rig.source.commits == []  # offsets travel in the transaction
    assert rig.observer.done == [0, 1, 2, 3, 4]
    await rig.stop()


async def test_transaction_that_holds_what_it_may_is_committed_before_its_time() -> None:
    rig = Rig(*posts(MOST_RECORDS + 20), limits=SELDOM, transactional=True)
    await rig.settle(1)
    assert sink_of(rig).commits == [(A, MOST_RECORDS)]
    await rig.stop()
    assert sink_of(rig).shown() == verdicts(MOST_RECORDS + 20)


async def test_drain_of_more_than_one_transaction_holds_waits_for_all() -> None:
    rig = Rig(*posts(2 * MOST_RECORDS + 20), limits=SELDOM, transactional=True)
    sink_of(rig).commit_seconds[A] = 1.0
    await rig.settle(0.5)
    await rig.source.revoke(A)
    assert sink_of(rig).shown() == verdicts(2 * MOST_RECORDS + 20)
    await rig.stop()


async def test_transactions_that_came_to_nothing_begin_small_whoever_failed() -> None:
    rig = Rig(*posts(20), *posts(20, B), limits=SELDOM, transactional=True)
    sink = sink_of(rig)
    sink.commit_seconds[B] = 1.0  # it is that of A which fails
    sink.commit_faults = [Transient("outcome unknown")]
    await rig.settle(200)
    for partition in (A, B):
        assert [offset for committed, offset in sink.commits if committed == partition] == [1, 3, 7, 15, 20]
    await rig.stop()


async def test_one_partition_with_small_transactions_does_not_hurry_others() -> None:
    rig = Rig(*posts(20), limits=SELDOM, transactional=True)
    sink = sink_of(rig)
    sink.commit_faults = [Transient("outcome unknown")]
    await rig.settle(50)
    rig.source.append(*posts(20, B))
    rig.source.assign(B)
    sent = len(sink.sent)
    await rig.settle(10)
    assert len(sink.sent) == sent + 20 + 20
    assert [offset for partition, offset in sink.commits if partition == A] == [1, 3, 7, 15]
    assert [offset for partition, offset in sink.commits if partition == B] == []
    await rig.stop()


async def test_end_of_the_input_waits_for_all_transactions() -> None:
    rig = Rig(*posts(2 * MOST_RECORDS + 20), limits=SELDOM, ends=True, transactional=True)
    await rig.running
    assert sink_of(rig).shown() == verdicts(2 * MOST_RECORDS + 20)


async def test_commit_that_is_asked_for_after_the_end_is_ignored() -> None:
    """An acknowledgement may come so late."""
    rig = Rig(*posts(3), limits=SELDOM, transactional=True)
    await rig.settle()
    lane = rig.pipeline.lanes[A]
    await rig.stop()
    rig.pipeline._commits.begin(lane)
    assert sink_of(rig).commits == [(A, 3)]


async def test_transactions_that_only_get_through_while_they_are_small_go_on() -> None:
    rig = Rig(*posts(100), *posts(100, B), limits=OFTEN, transactional=True)
    sink = sink_of(rig)
    sink.most_records = 5
    await rig.settle(300)
    assert [sent.value for sent in sink.visible if sent.partition == A] == verdicts(100)
    assert [sent.value for sent in sink.visible if sent.partition == B] == verdicts(100)
    await rig.stop()


async def test_nothing_is_sent_while_a_transaction_is_committed() -> None:
    rig = Rig(post(0), limits=OFTEN, transactional=True)
    sink_of(rig).commit_seconds[A] = 1.0
    await rig.settle(0.2)
    rig.source.append(*posts(3, first=1))
    await rig.settle(0.5)
    assert len(sink_of(rig).sent) == 1
    await rig.settle(5)
    assert sink_of(rig).shown() == verdicts(4)  # the fake refuses a commit that is not one past all that was sent
    await rig.stop()


async def test_transaction_never_holds_half_of_a_record() -> None:
    rig = Rig(post(0, tokens="bad"), post(1), limits=OFTEN, transactional=True)
    sink_of(rig).send_seconds = 0.3  # the dead letter and the verdict of a record leave apart
    await rig.settle(10)
    assert sink_of(rig).shown() == ["0 not_json", "0 not_json", "1 scored"]
    await rig.stop()


async def test_transaction_waits_for_every_acknowledgement() -> None:
    rig = Rig(*posts(2), limits=OFTEN, automatic=False, transactional=True)
    sink = sink_of(rig)
    await rig.settle(1)
    sink.acknowledge(sink.sent[0])
    await rig.settle(20)
    assert sink.commits == []
    sink.acknowledge()
    await rig.settle(20)
    assert sink.commits == [(A, 2)]
    await rig.stop()


async def test_failed_commit_is_answered_by_beginning_anew_without_repeat() -> None:
    rig = Rig(*posts(4), limits=OFTEN, transactional=True)
    sink = sink_of(rig)
    sink.commit_faults = [Transient("outcome unknown")]
    await rig.settle(10)
    assert len(sink.resets) == 1
    assert rig.source.rewinds == 1
    assert len(sink.sent) == 8  # sent twice, the first time in a transaction that came to nothing
    assert sink.shown() == verdicts(4)
    assert rig.observer.commits[0] is False
    await rig.stop()


async def test_failed_send_aborts_what_was_stored_beside_it() -> None:
    rig = Rig(*posts(3), limits=Limits(commit_interval=1.0), automatic=False, transactional=True)
    sink = sink_of(rig)
    await rig.settle(0.1)
    sink.sent[0].future.set_result(None)
    sink.sent[1].future.set_exception(Transient("refused"))
    sink.automatic = True
    await rig.settle(10)
    assert sink.shown() == verdicts(3)
    await rig.stop()


async def test_revoked_partition_is_drained_and_committed_once() -> None:
    rig = Rig(*posts(3), *posts(2, B), limits=SELDOM, transactional=True)
    await rig.settle()
    await rig.source.revoke(A)
    assert sink_of(rig).commits == [(A, 3)]
    await rig.stop()
    assert sorted(sink_of(rig).commits) == [(A, 3), (B, 2)]


async def test_partition_that_does_not_drain_in_time_is_given_up_uncommitted() -> None:
    rig = Rig(*posts(3), limits=Limits(commit_interval=50.0, drain_timeout=2.0), automatic=False, transactional=True)
    sink = sink_of(rig)
    await rig.settle()
    sink.acknowledge(sink.sent[0])
    await rig.source.revoke(A)
    assert (sink.commits, sink.visible) == ([], [])
    assert rig.pipeline.budget.posts == 0
    await rig.stop()


async def test_slow_commit_of_one_partition_does_not_delay_those_of_others() -> None:
    rig = Rig(*posts(3), *posts(1, B), limits=OFTEN, transactional=True)
    sink = sink_of(rig)
    sink.commit_seconds[A] = 60.0
    await rig.settle(1)
    rig.source.append(*posts(2, B, first=1))
    await rig.settle(1)
    assert sink.commits == [(B, 1), (B, 3)]
    await rig.settle(60)
    assert (A, 3) in sink.commits
    await rig.stop()


async def test_last_commit_of_a_revocation_is_bounded() -> None:
    rig = Rig(*posts(3), limits=Limits(commit_interval=50.0, last_commit_timeout=3.0), transactional=True)
    sink = sink_of(rig)
    await rig.settle()
    sink.commit_seconds[A] = 1000.0
    before = asyncio.get_running_loop().time()
    await rig.source.revoke(A)
    assert asyncio.get_running_loop().time() - before == 3.0
    assert sink.commits == []
    await rig.stop()


async def test_commit_whose_answer_was_lost_is_no_trouble_for_ever() -> None:
    rig = Rig(*posts(3), limits=OFTEN, transactional=True)
    sink = sink_of(rig)
    sink.lost_answers = [Transient("outcome unknown")]
    await rig.settle(1)
    assert rig.pipeline.trouble is not None
    assert rig.pipeline.commit_trouble is not None
    await rig.settle(30)
    assert sink.shown() == verdicts(3)  # nothing was left to do again, and so to show that publishing works
    assert rig.pipeline.trouble is None
    assert rig.pipeline.commit_trouble is None
    await rig.stop()


async def test_a_budget_full_of_stored_records_is_committed_without_waiting_for_the_interval() -> None:
    rig = Rig(*posts(10), limits=Limits(max_posts=4, commit_interval=50.0), transactional=True)
    await rig.settle(5)
    assert sink_of(rig).shown() == verdicts(8)
    await rig.stop()
    assert sink_of(rig).shown() == verdicts(10)
