"""What the pipeline relies on in any Sink."""

import asyncio

import pytest

from tests.contract.worlds import Stored, World
from worker.core.errors import Transient
from worker.core.types import Channel, Outgoing

SECONDS = 30


def output(value: bytes | None, key: bytes | None = b"key") -> Outgoing:
    return Outgoing(Channel.OUTPUT, key, value)


async def test_what_is_acknowledged_is_stored_in_the_order_of_the_calls(world: World) -> None:
    sink = await world.sink()
    values = [b"%d" % n for n in range(500)]
    sent = [await sink.send(world.partition(1), output(value, b"key-%d" % (n % 7))) for n, value in enumerate(values)]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*sent)
    assert [record.value for record in await world.stored(Channel.OUTPUT)] == values


@pytest.mark.parametrize("partition", [0, 1])
async def test_with_as_many_partitions_an_output_goes_to_its_inputs_partition_whatever_its_key(
    world: World, partition: int
) -> None:
    sink = await world.sink()
    keys = [b"a", b"b", b"c", b"d", None]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*[await sink.send(world.partition(partition), output(b"value", key)) for key in keys])
    stored = await world.stored(Channel.OUTPUT)
    assert [(record.partition, record.key) for record in stored] == [(partition, key) for key in keys]


async def test_tombstones_keys_and_headers_arrive_as_they_were_sent(world: World) -> None:
    sink = await world.sink()
    headers = (("schema", b"verdict.v1"), ("traceparent", b"\x00\xff"), ("schema", b"again"))
    for outgoing in (
        Outgoing(Channel.OUTPUT, b"key", None, headers),
        Outgoing(Channel.OUTPUT, None, b"", ()),
        Outgoing(Channel.DEAD_LETTER, b"\xff", b"\x00" * 10, headers),
    ):
        async with asyncio.timeout(SECONDS):
            await (await sink.send(world.partition(0), outgoing))
    assert await world.stored(Channel.OUTPUT) == [Stored(0, b"key", None, headers), Stored(0, None, b"", ())]
    [dead_letter] = await world.stored(Channel.DEAD_LETTER)
    assert dead_letter[1:] == (b"\xff", b"\x00" * 10, headers)


async def test_after_a_reset_sends_go_on_and_nothing_acknowledged_is_gone(world: World) -> None:
    sink = await world.sink()
    async with asyncio.timeout(SECONDS):
        await (await sink.send(world.partition(0), output(b"before")))
        await sink.reset(Transient("an acknowledgement was lost"))
        await (await sink.send(world.partition(0), output(b"after")))
    assert [record.value for record in await world.stored(Channel.OUTPUT)] == [b"before", b"after"]


async def test_of_sends_in_flight_at_a_reset_only_the_first_are_stored(world: World) -> None:
    sink = await world.sink()
    sent = [await sink.send(world.partition(0), output(b"%d" % n)) for n in range(50)]
    async with asyncio.timeout(SECONDS):
        await sink.reset(Transient("another partition failed"))
    acknowledged = [b"%d" % n for n, future in enumerate(sent) if future.done() and future.exception() is None]
    stored = [record.value for record in await world.stored(Channel.OUTPUT)]
    assert stored == [b"%d" % n for n in range(len(stored))]
    assert acknowledged == stored[: len(acknowledged)]
