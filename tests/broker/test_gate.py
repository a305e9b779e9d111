import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.conftest import Names
from tests.harness import Kafka
from tests.harness.gate import Gate
from tests.harness.topics import commit, committed_offsets, create_topic, produce, read_all

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
SENDER = """
import asyncio, sys
from tests.harness.topics import produce
asyncio.run(produce(sys.argv[1], sys.argv[2], [(None, b"lost on its way")]))
"""
PATIENT_SENDER = """
import asyncio, sys
from aiokafka import AIOKafkaProducer
async def main():
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1]) as producer:
        await producer.partitions_for(sys.argv[2])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await producer.send_and_wait(sys.argv[2], b"sent in the dark")
asyncio.run(main())
"""
RECORDS = [(f"key-{n}".encode(), f"value-{n}".encode()) for n in range(200)]


async def test_the_gate_holds_back_what_producers_send_and_nothing_else(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("input"))
    async with Gate(kafka) as gate:
        await produce(gate.address, topics("input"), RECORDS)
        gate.hold()
        writing = asyncio.create_task(produce(gate.address, topics("input"), RECORDS))
        await _until(lambda: gate.held > 0)
        await commit(gate.address, topics("group"), topics("input"), 0, 3)
        assert len(await read_all(kafka.bootstrap, topics("input"))) == len(RECORDS)
        assert await committed_offsets(kafka.bootstrap, topics("group"), topics("input")) == {0: 3}
        gate.release()
        assert await writing == len(RECORDS)
    assert len(await read_all(kafka.bootstrap, topics("input"))) == 2 * len(RECORDS)


async def test_the_gate_drops_what_a_client_sent_before_it_died(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("input"))
    async with Gate(kafka) as gate:
        gate.hold()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, gate.address, topics("input"), cwd=ROOT
        )
        await _until(lambda: gate.held > 0)
        process.kill()
        await process.wait()
        await _until(lambda: gate.held == 0)
        gate.release()
        await produce(gate.address, topics("input"), [(None, b"later")])
    assert [record.value for record in await read_all(kafka.bootstrap, topics("input"))] == [b"later"]


async def test_what_a_client_sent_in_the_dark_arrives_late(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("input"))
    async with Gate(kafka) as gate:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PATIENT_SENDER, gate.address, topics("input"), cwd=ROOT, stdin=-1, stdout=-1
        )
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        gate.darken()
        process.stdin.write(b"now\n")
        await _until(lambda: gate.held > 0)
        process.kill()
        await process.wait()
        assert await read_all(kafka.bootstrap, topics("input")) == []
        gate.lighten(late=True)
        deadline = time.monotonic() + 10
        while not (found := await read_all(kafka.bootstrap, topics("input"))):
            assert time.monotonic() < deadline
    assert [record.value for record in found] == [b"sent in the dark"]


async def test_what_a_client_sent_in_the_dark_is_lost_with_its_connection(kafka: Kafka) -> None:
    async with Gate(kafka) as gate:
        gate.darken()
        host, port = gate.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\0\0\0\x04ABCD")
        await _until(lambda: gate.held > 0)
        gate.lighten(late=False)
        assert (gate.held, await reader.read()) == (0, b"")
        writer.close()


async def test_the_gates_delay_each_way(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("input"))
    async with Gate(kafka) as gate:
        gate.delay = 0.2
        begun = time.monotonic()
        await produce(gate.address, topics("input"), RECORDS)
        assert time.monotonic() - begun > 2 * 0.4  # metadata and records, there and back, at least
        gate.delay = 0.0
        await produce(gate.address, topics("input"), RECORDS)
    assert len(await read_all(kafka.bootstrap, topics("input"))) == 2 * len(RECORDS)


async def test_each_gate_is_a_network_of_its_own(topics: Names) -> None:
    with Kafka(gates=2) as kafka:
        await create_topic(kafka.bootstrap, topics("input"))
        async with Gate(kafka, 0) as dark, Gate(kafka, 1) as light:
            dark.darken()
            assert await produce(light.address, topics("input"), RECORDS) == len(RECORDS)
            kafka.fill_disk()
            kafka.start()
            assert len(await read_all(light.address, topics("input"))) == len(RECORDS)


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
