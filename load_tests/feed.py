"""Records at their times, whatever becomes of them: an open loop, as authors are one."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from load_tests.corpus import Keyed
from tests.harness.kafka import LARGEST_RECORD_BYTES

MOST_UNFINISHED = 10_000


@dataclass(slots=True)
class Fed:
    """What was written so far, and by how much the feeder itself was late at worst."""

    records: int = 0
    latest_seconds: float = 0.0


async def feed(
    bootstrap: str, topic: str, records: Iterable[Keyed], due: Iterable[float], told: Fed | None = None
) -> Fed:
    """Write each record at its time in `due` (seconds from now) until either ends; `told` is kept up to date meanwhile.

    A record's timestamp is when it was due, not when it got its turn: a feeder that falls behind must not hide the wait.
    """
    fed = told or Fed()
    sent: list[asyncio.Future[object]] = []
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=LARGEST_RECORD_BYTES)
    async with producer:
        begun, begun_wall = time.monotonic(), time.time()
        for at, (key, value) in zip(due, records, strict=False):
            late = time.monotonic() - begun - at
            fed.latest_seconds = max(fed.latest_seconds, late)
            await asyncio.sleep(max(0.0, -late))
            if key is None and value is None:  # aiokafka asserts on such a record
                value = b""  # noqa: PLW2901
            sent.append(await producer.send(topic, value, key=key, timestamp_ms=int((begun_wall + at) * 1000)))
            fed.records += 1
            if len(sent) > MOST_UNFINISHED:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)
    return fed
