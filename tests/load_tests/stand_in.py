"""A stand-in for the worker: copies posts to verdicts, and on demand commits before the acknowledgement."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

CARELESS = "careless"
BATCH = 25
PACE_SECONDS = 0.1
"""A batch takes at least this long, so that a crash comes in the middle."""


async def work(*, careless: bool) -> None:
    """Consume, publish, commit. Careful: commits what was acknowledged; careless: what was sent."""
    servers = os.environ["MODERATION_BOOTSTRAP_SERVERS"]
    output = os.environ["MODERATION_OUTPUT_TOPIC"]
    consumer = AIOKafkaConsumer(
        os.environ["MODERATION_INPUT_TOPIC"],
        bootstrap_servers=servers,
        group_id=os.environ["MODERATION_GROUP_ID"],
        client_id=os.environ["MODERATION_CLIENT_ID"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=2_000,
        heartbeat_interval_ms=300,
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    async with consumer, producer:
        while True:
            pause = asyncio.create_task(asyncio.sleep(PACE_SECONDS))
            fetched = await consumer.getmany(timeout_ms=200, max_records=BATCH)
            sent = []
            for partition, records in fetched.items():
                for record in records:
                    source = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                    verdict = {"event_id": f"{record.partition}.{record.offset}", "scores": {}, "source": source}
                    value = orjson.dumps(verdict)
                    sent.append(await producer.send(output, value, key=record.key, partition=partition.partition))
            if not careless:
                await asyncio.gather(*sent)
            with suppress(KafkaError):  # a rebalance: the next owner reads these again
                await consumer.commit()
            await pause


async def main() -> None:
    working = asyncio.create_task(work(careless=CARELESS in sys.argv))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


if __name__ == "__main__":
    asyncio.run(main())
