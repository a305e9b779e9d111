"""Two brokers, one of them lost: leaders move, replicas go missing, and a worker waits for what it is owed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from load_tests.workers import Worker
from tests.broker.scene import Scene, made_up_posts, scene
from tests.broker.test_delivery import SLOW, assert_kept
from tests.harness.cluster import FIRST, SECOND, Cluster

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

Unique = Callable[[str], str]
DELIVERIES = ("at_least_once", "exactly_once")
BOTH = {"min.insync.replicas": "2"}


def quick(delivery: str, **more: str) -> dict[str, str]:
    """A worker that soon looks for another leader."""
    return SLOW | {"MODERATION_DELIVERY": delivery, "MODERATION_REQUEST_TIMEOUT_SECONDS": "3"} | more


async def a_few_committed(stage: Scene, worker: Worker) -> None:
    await stage.until(lambda committed, total: 0 < committed < total, worker)


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_leaders_that_move_and_replicas_that_go_missing_are_waited_for_and_nothing_is_committed_meanwhile(
    cluster: Cluster, topics: Unique, tmp_path: Path, delivery: str
) -> None:
    async with scene(cluster, topics, tmp_path, 2, output_config=BOTH, replicas=(SECOND, FIRST)) as stage:
        sent = await stage.produce(made_up_posts(300))
        worker = stage.worker("a", quick(delivery))
        await a_few_committed(stage, worker)
        cluster.second.kill()  # it led all partitions, and the output must have two replicas
        await stage.until_logged(worker, "NotEnoughReplicas")
        await asyncio.sleep(2)  # time to do wrong
        assert worker.ended() is None, worker.tail()
        assert stage.get(worker, "livez")["ok"] is True
        # The ends of the output are not to be had now: its new leader does not know them without a second replica.
        committed = sum((await stage.watch.committed()).values())
        published = (await stage.metrics(worker))['moderation_messages_published_total{channel="output"}']
        assert committed <= published < sent
        await asyncio.to_thread(cluster.bring_back)
        sent += await stage.produce(made_up_posts(100))
        await asyncio.to_thread(cluster.elect, {stage.names.input: 2, stage.names.output: 2})
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert_kept(report, sent)
    if delivery == "exactly_once":
        assert report.duplicates == 0


@pytest.mark.parametrize("delivery", DELIVERIES)
async def test_replicas_that_stay_away_end_the_worker_at_its_deadline_with_no_commit_ahead(
    cluster: Cluster, topics: Unique, tmp_path: Path, delivery: str
) -> None:
    async with scene(cluster, topics, tmp_path, 2, output_config=BOTH, replicas=(FIRST, SECOND)) as stage:
        sent = await stage.produce(made_up_posts(300))
        deadlines = dict.fromkeys(("MODERATION_ACK_DEADLINE_SECONDS", "MODERATION_RETRY_DEADLINE_SECONDS"), "6")
        worker = stage.worker("a", quick(delivery, **deadlines))
        await a_few_committed(stage, worker)
        cluster.second.kill()
        assert await stage.ended(worker) == 1
        # exactly_once may wait for its transaction to be aborted by then, which needs the replicas too.
        assert any(setting in worker.tail() for setting in deadlines), worker.tail()
        assert "Traceback" not in worker.tail(100_000)
        await asyncio.to_thread(cluster.bring_back)
        report = await stage.judge(complete=False)
    assert_kept(report, sent)
    assert 0 < report.verdicts < sent
