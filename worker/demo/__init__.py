"""`moderation-worker demo`: the real worker on made-up posts, with its verdicts on the screen. Needs no Kafka."""

import argparse
import asyncio
import os
import signal
from contextlib import ExitStack
from importlib.util import find_spec

from aiokafka.errors import KafkaError

from worker.app import Worker
from worker.core.errors import Fatal
from worker.ops import logs
from worker.settings import Settings, load

TOPICS = {
    "MODERATION_INPUT_TOPIC": "moderation-demo-posts",
    "MODERATION_OUTPUT_TOPIC": "moderation-demo-verdicts",
    "MODERATION_DEAD_LETTER_TOPIC": "moderation-demo-dead-letters",
}
OWN = ("MODERATION_BUNDLE", "MODERATION_POLICY_FILE", "MODERATION_LOG_LEVEL", "MODERATION_LOG_FORMAT")
"""Variables of the user's that the demo heeds: the others are meant for another Kafka."""
LOGIN = ("MODERATION_SECURITY_PROTOCOL", "MODERATION_SASL_", "MODERATION_SSL_")
"""Beginnings of those it heeds beside, where it is sent to a Kafka of the user's."""


def main(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit status. Raises Fatal with what to change."""
    for module in ("rich", *(() if arguments.bootstrap_servers else ("confluent_kafka",))):
        if find_spec(module) is None:
            raise Fatal("the demo needs more than the worker: in a clone pip install '.[demo]'")
    from worker.demo.broker import mock_cluster  # noqa: PLC0415 - the extra `demo` is known to be there only now

    with ExitStack() as stack:
        servers = arguments.bootstrap_servers or stack.enter_context(mock_cluster(tuple(TOPICS.values())))
        settings = _settings(servers, arguments.http_port, own_kafka=arguments.bootstrap_servers is not None)
        logs.configure("CRITICAL", settings.log_format)  # brokers refuse topics made a moment ago; what lasts is raised
        try:
            return asyncio.run(_demo(settings, arguments.posts, arguments.rate))
        except (KafkaError, TimeoutError) as error:
            raise Fatal(f"{servers}: Kafka failed the demo: {error!r}") from error


def _settings(servers: str, http_port: int, *, own_kafka: bool) -> Settings:
    heeded = OWN + LOGIN if own_kafka else OWN
    return load(
        {"MODERATION_LOG_LEVEL": "WARNING"}
        | {name: value for name, value in os.environ.items() if value and name.startswith(heeded)}
        | TOPICS
        | {
            "MODERATION_BOOTSTRAP_SERVERS": servers,
            "MODERATION_GROUP_ID": "moderation-demo",
            "MODERATION_HTTP_HOST": "127.0.0.1",
            "MODERATION_HTTP_PORT": str(http_port),
        }
    )


async def _demo(settings: Settings, posts: int | None, rate: float) -> int:
    from worker.demo.audience import Audience  # noqa: PLC0415
    from worker.demo.broker import create_missing  # noqa: PLC0415
    from worker.demo.screen import Screen  # noqa: PLC0415

    screen = Screen()
    screen.say(f"Kafka at {settings.bootstrap_servers}. Loading the model and joining the group ...")
    await create_missing(settings)
    async with Audience.open(settings, screen) as audience:
        logs.configure(settings.log_level, settings.log_format)
        worker = Worker(settings)
        serving = asyncio.create_task(worker.serve())
        ready = asyncio.create_task(worker.ready.wait())
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if serving.done():  # it failed, or Ctrl-C came first
            return serving.result()
        screen.say(f"Metrics: http://127.0.0.1:{worker.http_port}/metrics   End: Ctrl-C\n")
        screen.heading()
        feeding = asyncio.create_task(audience.feed(posts, rate))
        watching = asyncio.create_task(audience.watch())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, feeding.cancel)
        await asyncio.wait({serving, feeding, watching}, return_when=asyncio.FIRST_COMPLETED)
        feeding.cancel()
        worker.stop()
        status = await serving
        watching.cancel()
        for failed in await asyncio.gather(feeding, watching, return_exceptions=True):
            if isinstance(failed, Exception):
                raise failed
        await audience.drain()
        screen.summary(audience.answered)
    return status
