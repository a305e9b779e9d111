"""What the pipeline relies on in any Source: the simulation's, so that it cannot lie, and Kafka's."""

import asyncio
from collections.abc import Sequence
from itertools import cycle

import pytest

from tests.contract.worlds import PARTITIONS, Leaving, Watcher, World
from worker.core.types import Record

SECONDS = 30


def values(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(first, first + count)]


async def read(source: Leaving, watcher: Watcher, count: int, max_records: int = 100) -> list[Record]:
    """Poll until `count` records are there; none may come from a partition that was not announced."""
    found: list[Record] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            records = await source.poll(max_records)
            assert records is not None
            assert len(records) <= max_records
            assert {record.partition for record in records} <= watcher.open
            found += records
    return found


async def joined(world: World) -> tuple[Leaving, Watcher]:
    """A member that owns every partition."""
    watcher = Watcher()
    source = await world.member(watcher)
    await until_open(source, watcher, PARTITIONS)
    return source, watcher


async def until_open(source: Leaving, watcher: Watcher, partitions: int) -> None:
    async with asyncio.timeout(SECONDS):
        while len(watcher.open) != partitions:
            assert await source.poll(0) == []


def of(records: Sequence[Record], partition: int) -> list[bytes | None]:
    return [record.value for record in records if record.partition.partition == partition]


async def test_a_group_without_a_commit_starts_at_the_earliest_record(world: World) -> None:
    await world.append(0, *values(3))
    source, watcher = await joined(world)
    found = await read(source, watcher, 3)
    assert [(r.partition, r.offset, r.value, r.key) for r in found] == [
        (world.partition(0), n, b"%d" % n, b"key") for n in range(3)
    ]


async def test_records_come_in_offset_order_and_never_more_than_asked_for(world: World) -> None:
    await world.append(0, *values(120))
    await world.append(1, *values(80, first=1000))
    source, watcher = await joined(world)
    found = await read(source, watcher, 200, max_records=7)
    assert of(found, 0) == values(120)
    assert of(found, 1) == values(80, first=1000)


async def test_polls_for_nothing_return_nothing_and_keep_the_membership(world: World) -> None:
    source, watcher = await joined(world)
    await world.append(0, *values(50))
    for _ in range(30):
        assert await source.poll(0) == []
    assert of(await read(source, watcher, 50), 0) == values(50)
    for _ in range(3):
        assert await source.poll(0) == []
    await world.append(1, *values(5))
    assert of(await read(source, watcher, 5), 1) == values(5)
    assert len([word for word, _ in watcher.told if word == "assigned"]) == 1


@pytest.mark.parametrize("hot", range(PARTITIONS))
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused again and again"])
@pytest.mark.parametrize("max_records", [1, 5])
async def test_a_cold_partition_is_read_within_a_few_records_of_a_hot_one(
    world: World, hot: int, paused: bool, max_records: int
) -> None:
    cold = PARTITIONS - 1 - hot
    await world.append(hot, *values(3000))
    await world.append(cold, b"cold")
    source, _ = await joined(world)
    found: list[Record] = []
    async with asyncio.timeout(SECONDS):
        while not of(found, cold):
            found += await source.poll(max_records) or ()
            assert len(found) <= 10 * max_records, "only records of the hot partition"
            if paused:  # as where memory is full: what was fetched is dropped
                assert await source.poll(0) == []
    assert of(found, cold) == [b"cold"]
    assert of(found, hot) == values(len(found) - 1)


async def test_tombstones_and_records_without_a_key_are_read(world: World) -> None:
    await world.append(0, None)
    await world.append(0, b"value", key=None)
    source, watcher = await joined(world)
    found = await read(source, watcher, 2)
    assert [(record.key, record.value) for record in found] == [(b"key", None), (None, b"value")]


async def test_the_next_member_starts_at_the_commit_and_elsewhere_at_the_earliest(world: World) -> None:
    await world.append(0, *values(10))
    await world.append(1, *values(10))
    source, watcher = await joined(world)
    await read(source, watcher, 20)
    await source.commit({world.partition(0): 7})
    await source.leave()
    source, watcher = await joined(world)
    found = await read(source, watcher, 13)
    assert of(found, 0) == values(3, first=7)
    assert of(found, 1) == values(10)


async def test_a_rewind_announces_every_partition_again_and_reads_from_its_commit(world: World) -> None:
    await world.append(0, *values(10))
    await world.append(1, *values(10))
    source, watcher = await joined(world)
    await read(source, watcher, 20)
    await source.commit({world.partition(0): 4})
    told = len(watcher.told)
    await source.rewind()
    found = await read(source, watcher, 16)
    assert watcher.told[told:] == [("assigned", (world.partition(0), world.partition(1)))]
    assert of(found, 0) == values(6, first=4)
    assert of(found, 1) == values(10)


async def test_a_rewind_while_paused_reads_everything_again(world: World) -> None:
    await world.append(0, *values(5))
    source, watcher = await joined(world)
    await read(source, watcher, 5)
    await source.poll(0)
    await source.rewind()
    assert await source.poll(0) == []
    assert of(await read(source, watcher, 5), 0) == values(5)


async def test_polls_that_are_cancelled_lose_no_record(world: World) -> None:
    source, watcher = await joined(world)
    found: list[Record] = []
    waits = cycle([0.0, 0.001, 0.003, 0.02])
    for first in range(0, 300, 10):
        poll = asyncio.ensure_future(source.poll(4))
        await world.append(0, *values(10, first))
        await asyncio.wait([poll], timeout=next(waits))
        poll.cancel()
        [records] = await asyncio.gather(poll, return_exceptions=True)
        if not isinstance(records, BaseException):
            found += records or ()
    found += await read(source, watcher, 300 - len(found))
    assert of(found, 0) == values(300)


async def test_a_second_member_takes_over_half_after_the_first_gave_it_up(world: World) -> None:
    source, watcher = await joined(world)
    other_watcher = Watcher()
    other = await world.member(other_watcher)
    async with asyncio.timeout(SECONDS):
        while not (len(watcher.open) == len(other_watcher.open) == 1):
            await asyncio.gather(source.poll(0), other.poll(0))
    assert ("revoked", (world.partition(0), world.partition(1))) in watcher.told
    assert watcher.open | other_watcher.open == {world.partition(0), world.partition(1)}
    await world.append(0, *values(3))
    await world.append(1, *values(3))
    mine, others = await asyncio.gather(read(source, watcher, 3), read(other, other_watcher, 3))
    assert {record.partition for record in mine} == watcher.open
    assert {record.partition for record in others} == other_watcher.open


async def test_a_member_that_leaves_hands_its_partitions_over_from_their_commits(world: World) -> None:
    await world.append(0, *values(10))
    source, watcher = await joined(world)
    await read(source, watcher, 10)
    await source.commit({world.partition(0): 6})
    other_watcher = Watcher()
    other = await world.member(other_watcher)
    await source.leave()
    await until_open(other, other_watcher, PARTITIONS)
    assert of(await read(other, other_watcher, 4), 0) == values(4, first=6)
