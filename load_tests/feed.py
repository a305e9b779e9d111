"""Posts at a steady rate, whatever becomes of them: an open loop, as authors are one."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice

from aiokafka import AIOKafkaProducer

from load_tests.corpus import Keyed

TICK_SECONDS = 0.02


async def feed(bootstrap: str, topic: str, records: Iterator[Keyed], per_second: float, seconds: float) -> int:
    """Write `records` for so long; returns how many. A record's timestamp is when it was due, not when it got its turn:
    a feeder that falls behind must not hide the wait.
    """
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0) as producer:
        begun, begun_wall = time.monotonic(), time.time()
        sent = []
        fed = 0
        while (elapsed := time.monotonic() - begun) < seconds:
            for key, value in islice(records, int(elapsed * per_second) - fed):
                if key is None and value is None:  # aiokafka asserts on such a record
                    value = b""  # noqa: PLW2901
                due = begun_wall + fed / per_second
                sent.append(await producer.send(topic, value, key=key, timestamp_ms=int(due * 1000)))
                fed += 1
            sent = [future for future in sent if not future.done() or future.exception()]
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*sent)
        return fed
