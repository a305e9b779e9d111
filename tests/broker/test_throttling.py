"""A broker that throttles the worker, for longer than a request may take: slower, and nothing else."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.scene import made_up_posts, scene
from tests.broker.test_delivery import SLOW, assert_kept
from tests.harness import Kafka
from tests.harness.quotas import lift_quotas, set_quotas

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

QUOTAS = {"producer_byte_rate": 1_000, "consumer_byte_rate": 20_000, "request_percentage": 20}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_a_throttled_worker_is_slow_and_loses_nothing(
    kafka: Kafka, topics: Callable[[str], str], tmp_path: Path, delivery: str
) -> None:
    client = topics("client")
    await asyncio.to_thread(set_quotas, kafka, client, **QUOTAS)
    short = {"MODERATION_CLIENT_ID": client, "MODERATION_REQUEST_TIMEOUT_SECONDS": "2"}
    async with scene(kafka, topics, tmp_path, partitions=2) as stage:
        sent = await stage.produce(made_up_posts(200))
        worker = stage.worker("a", SLOW | short | {"MODERATION_DELIVERY": delivery})
        # A throttle that outlasts a request, and with exactly once a transaction.
        await stage.until_logged(worker, "beginning anew" if delivery == "exactly_once" else "RequestTimedOut")
        found: list[int] = []

        def goes_on(committed: int, total: int) -> bool:
            found.append(committed)
            return found[0] < committed < total

        await stage.until(goes_on, worker)
        assert stage.get(worker, "livez")["ok"] is True
        await asyncio.to_thread(lift_quotas, kafka, client, *QUOTAS)
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert_kept(report, sent)
    if delivery == "exactly_once":
        assert report.duplicates == 0
