"""FastStream, as its documentation writes a batch subscriber, around the usual setup's model."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from load_tests.peers.loop import BATCH, verdict
from load_tests.peers.usual import Usual


def application(weights: Path, bundle: Path) -> FastStream:
    """Read from and write to the topics that the environment names."""
    usual = Usual(weights, bundle)
    broker = KafkaBroker(os.environ["MODERATION_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True)

    @broker.subscriber(
        os.environ["MODERATION_INPUT_TOPIC"],
        group_id=os.environ["MODERATION_GROUP_ID"],
        auto_offset_reset="earliest",
        batch=True,
        max_records=BATCH,
    )
    @broker.publisher(os.environ["MODERATION_OUTPUT_TOPIC"], batch=True)
    async def handle(posts: list[dict[str, Any]], message: KafkaMessage) -> list[bytes]:
        scored = await asyncio.to_thread(usual, [post["text"] for post in posts])
        together = zip(message.raw_message, posts, scored, strict=True)
        return [verdict(record, post["id"], scores) for record, post, scores in together]

    return FastStream(broker)


if __name__ == "__main__":
    asyncio.run(application(Path(sys.argv[1]), Path(sys.argv[2])).run())
