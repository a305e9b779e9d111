"""Post the demo's made-up samples to the input topic, over and over: a posting platform for `compose.yaml`.

Settings are the worker's own (MODERATION_BOOTSTRAP_SERVERS, MODERATION_INPUT_TOPIC). A platform of yours needs no more than
`send_and_wait` below: the post as JSON, under its id as key.
"""

import argparse
import asyncio
import itertools
import signal
import sys
import time

from aiokafka import AIOKafkaProducer

from worker.demo.languages import samples_for
from worker.demo.samples import Deleted, key_of, value_of
from worker.settings import load
from worker.wiring import connection


async def post(rate: float, posts: int | None) -> int:
    """Send `rate` posts a second, in all `posts` of them, or until SIGTERM. Returns how many. Raises KafkaError."""
    settings = load()
    samples = samples_for(settings.bundle)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    run, sent, start = int(time.time()), 0, loop.time()
    async with AIOKafkaProducer(**connection(settings), acks="all", enable_idempotence=True) as producer:
        for sent in itertools.islice(itertools.count(), posts):
            sample = samples[sent % len(samples)]
            # A deletion is a record without a value under the key of the post before it.
            identity = f"{run}-{key_of(sent - 1 if isinstance(sample, Deleted) else sent)}"
            value = value_of(sample, identity)
            await producer.send_and_wait(settings.input_topic, key=identity.encode(), value=value)
            try:
                async with asyncio.timeout(max(0.0, start + (sent + 1) / rate - loop.time())):
                    await stop.wait()
                break
            except TimeoutError:
                continue
    return sent + 1


def main() -> int:
    """Parse, post, say how many."""
    parser = argparse.ArgumentParser(description="Post made-up samples to the input topic.")
    parser.add_argument("--rate", type=float, default=20.0, help="posts a second (default 20)")
    parser.add_argument("--posts", type=int, help="end after so many (default: on SIGTERM)")
    arguments = parser.parse_args()
    sent = asyncio.run(post(arguments.rate, arguments.posts))
    sys.stdout.write(f"{sent} posts\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
