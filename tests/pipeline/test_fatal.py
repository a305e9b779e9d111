"""What does not pass ends the run, within its deadline and without a commit too far; what passes does not."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.pipeline.fakes import POISON, A, B, encode, post, posts, prepare
from tests.pipeline.rig import BACKOFF, Rig
from worker.core.errors import Fatal, Transient
from worker.core.ports import Outcome, Prepared
from worker.core.types import Outgoing, Record


async def fatal(rig: Rig) -> Fatal:
    """The one error a run ended with."""
    with pytest.raises(ExceptionGroup) as caught:
        await rig.running
    assert caught.group_contains(Fatal)
    found = caught.value.exceptions[0]
    assert isinstance(found, Fatal)
    return found


async def test_a_producer_that_can_never_be_replaced_ends_the_run_after_the_deadline() -> None:
    rig = Rig(*posts(5))
    rig.sink.send_faults = [Transient("away")]
    rig.sink.reset_faults = [Transient("still away")] * 10_000
    assert "publishing kept failing" in str(await fatal(rig))
    assert BACKOFF.deadline <= asyncio.get_running_loop().time() <= BACKOFF.deadline + 5
    assert rig.source.committed == {}


async def test_what_fails_or_is_not_acknowledged_is_told_until_it_works() -> None:
    rig = Rig(*posts(5), automatic=False)
    assert rig.pipeline.trouble is None
    await rig.settle(7)
    silent = rig.pipeline.trouble
    assert silent is not None
    assert silent.why == "no acknowledgement"
    assert asyncio.get_running_loop().time() - silent.since >= 6
    rig.sink.sent[0].future.set_exception(Transient("away"))
    rig.sink.reset_faults = [Transient("still away")] * 5
    await rig.settle(0.5)
    assert rig.pipeline.trouble is not None
    assert "away" in rig.pipeline.trouble.why
    rig.sink.automatic = True
    await rig.settle(30)
    assert rig.pipeline.trouble is None
    await rig.stop()


async def test_a_reset_that_cannot_help_ends_the_run() -> None:
    rig = Rig(*posts(5))
    rig.sink.send_faults = [Transient("too large")]
    rig.sink.reset_faults = [Fatal("raise max.message.bytes")]
    assert "max.message.bytes" in str(await fatal(rig))
    assert rig.source.committed == {}


async def test_an_output_nobody_acknowledges_ends_the_run_after_the_deadline() -> None:
    rig = Rig(*posts(3), automatic=False)
    await rig.settle(0.5)
    rig.sink.acknowledge(rig.sink.sent[0])
    assert "MODERATION_ACK_DEADLINE_SECONDS" in str(await fatal(rig))
    assert BACKOFF.deadline <= asyncio.get_running_loop().time() <= BACKOFF.deadline + 5
    assert rig.source.committed == {A: 1}


async def test_outputs_that_wait_long_for_their_turn_do_not_count_as_unacknowledged() -> None:
    count = 2 * int(BACKOFF.deadline)
    rig = Rig(*posts(count))
    rig.sink.send_seconds = 1.0
    await rig.settle(count + 5)
    assert rig.sink.offsets() == list(range(count))
    await rig.stop()


async def test_a_commit_that_fails_for_a_while_is_tried_again_and_repeats_nothing() -> None:
    rig = Rig(*posts(3))
    rig.source.commit_faults = [Transient("the coordinator moves")] * 20
    await rig.settle(40)
    assert rig.source.committed == {A: 3}
    assert rig.sink.offsets() == [0, 1, 2]
    assert rig.observer.commits == [False] * 20 + [True]
    await rig.stop()


async def test_a_commit_that_fails_for_ever_ends_the_run() -> None:
    rig = Rig(*posts(3))
    rig.source.commit_always_fails = True
    assert "could not be committed" in str(await fatal(rig))
    assert BACKOFF.deadline <= asyncio.get_running_loop().time() <= BACKOFF.deadline + 5


async def test_two_commit_outages_with_a_success_between_do_not_add_up() -> None:
    rig = Rig(*posts(3))
    for round_ in range(3):
        rig.source.commit_always_fails = True
        rig.source.append(post(3 + round_))
        await rig.settle(BACKOFF.deadline * 0.7)
        rig.source.commit_always_fails = False
        await rig.settle(5)
    await rig.stop()
    assert rig.source.committed == {A: 6}


async def test_one_output_refused_for_ever_ends_the_run_although_other_partitions_go_on() -> None:
    rig = Rig(*posts(3), *posts(1, B))
    rig.sink.refuses = lambda partition, outgoing: partition == A and outgoing.value == b"1 scored"
    for n in range(1, 3 * int(BACKOFF.deadline)):
        if rig.running.done():
            break
        rig.source.append(post(n, B))
        await rig.settle(1.0)
    assert rig.running.done()
    assert "publishing kept failing" in str(await fatal(rig))


async def test_an_input_that_ended_cannot_be_read_again_so_a_failing_output_ends_the_run() -> None:
    rig = Rig(*posts(3), ends=True, automatic=False)
    await rig.settle(0.5)
    rig.sink.sent[0].future.set_exception(Transient("disk full"))
    assert "could not write the output" in str(await fatal(rig))


async def test_an_encoder_that_breaks_its_promise_ends_the_run_and_commits_nothing_of_it() -> None:
    def broken(record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        if record.offset == 2:
            raise TypeError
        return encode(record, outcome)

    rig = Rig(*posts(5), encode=broken)
    with pytest.raises(ExceptionGroup) as caught:
        await rig.running
    assert caught.group_contains(TypeError)
    assert rig.source.committed.get(A, 0) <= 2


async def test_a_preparation_that_breaks_its_promise_ends_the_run_and_commits_nothing_of_it() -> None:
    def broken(records: Sequence[Record]) -> list[Prepared]:
        return prepare(records)[1:]

    rig = Rig(*posts(5), prepare=broken)
    with pytest.raises(ExceptionGroup) as caught:
        await rig.running
    assert caught.group_contains(ValueError)
    assert rig.source.committed == {}


async def test_a_defect_found_while_publishing_fails_ends_the_run_with_the_defect() -> None:
    def broken(record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        if record.offset == 1:
            raise TypeError
        return encode(record, outcome)

    rig = Rig(post(0), post(1, tokens=f"{POISON}"), encode=broken)
    rig.sink.refuses = lambda _partition, _outgoing: True
    with pytest.raises(ExceptionGroup) as caught:
        await rig.running
    assert caught.group_contains(TypeError)
