"""Promises 1 to 4, 6 and 7 with at-least-once delivery: real workers, a real broker, real faults."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import orjson
import pytest

from load_tests import corpus
from load_tests.corpus import traffic
from load_tests.history import Report
from load_tests.workers import ROOT
from tests.broker.scene import made_up_posts, scene
from tests.harness import Kafka
from tests.harness.topics import read_all

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]
SLOW = {
    "MODERATION_MAX_IN_FLIGHT_POSTS": "100",
    "MODERATION_BATCH_TOKENS": "64",
    "MODERATION_SCORE_CACHE_SIZE": "0",  # the made-up posts have 97 texts
}
"""Small steps, so that a fault in the middle finds positions open."""


def assert_kept(report: Report, posts: int) -> None:
    """Nothing lost, nothing early, nothing out of order, nothing wrong."""
    assert report.failures == []
    assert report.posts == posts


async def test_all_kinds_of_records_come_out_once_and_in_order(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        sent = await stage.produce(traffic(400))
        worker = stage.worker()
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0
    assert report.dead_letters > 10


async def test_two_workers_of_a_group_share_the_partitions(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        first, second = stage.worker("a"), stage.worker("b")
        await stage.until_shared(first, second)
        sent = await stage.produce(made_up_posts(400))
        await stage.until_done(first, second)
        held = dict(await stage.watch.members())
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0
    assert sorted(held["a"] | held["b"]) == [0, 1, 2, 3]
    assert not held["a"] & held["b"]


async def test_a_worker_killed_mid_stream_loses_nothing(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(1500))
        victim = stage.worker("a", SLOW)
        await stage.until(lambda committed, total: 0 < committed < total, victim)
        victim.kill()
        snapshot = await stage.watch.snapshot()
        assert 0 < sum(snapshot.committed.values()) < sent
        successor = stage.worker("b")
        await stage.until_done(successor)
        report = await stage.judge()
    assert_kept(report, sent)


async def test_a_broker_restarted_mid_stream_is_waited_for(fresh_kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(fresh_kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(1500))
        worker = stage.worker("a", SLOW)
        await stage.until(lambda committed, total: 0 < committed < total, worker)
        fresh_kafka.kill()
        fresh_kafka.start()
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert_kept(report, sent)


async def test_sigterm_mid_stream_drains_and_causes_no_repeat(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(1500))
        first = stage.worker("a", SLOW)
        await stage.until(lambda committed, total: 0 < committed < total, first)
        first.terminate()
        assert first.wait() == 0, first.tail()
        snapshot = await stage.watch.snapshot()
        committed = sum(snapshot.committed.values())
        assert 0 < committed < sent
        assert sum(snapshot.output_ends.values()) == committed  # all that was published is committed, and no more
        second = stage.worker("b")
        await stage.until_done(second)
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0


async def test_scaling_up_and_down_mid_stream_causes_no_repeat(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(3000))
        first = stage.worker("a", SLOW)
        await stage.until(lambda committed, total: 0 < committed < total, first)
        second = stage.worker("b", SLOW)
        await stage.until_shared(first, second)
        assert sum((await stage.watch.committed()).values()) < sent
        first.terminate()
        assert first.wait() == 0, first.tail()
        await stage.until_done(second)
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0


async def test_classify_gives_bit_for_bit_the_scores_that_came_through_kafka(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    def scores(lines: Iterable[bytes | None]) -> dict[str, bytes]:
        found = [orjson.loads(line) for line in lines if line]
        return {verdict["post_id"]: orjson.dumps([verdict["scores"], verdict["event_id"]]) for verdict in found}

    posts = [post.value() for post in islice(corpus.posts(), 150)]
    async with scene(kafka, topics, tmp_path) as stage:
        await stage.produce((orjson.loads(post)["id"].encode(), post) for post in posts)
        worker = stage.worker("a", SLOW)
        await stage.until_done(worker)
        through_kafka = scores(record.value for record in await read_all(kafka.bootstrap, stage.names.output))
    for name, lines in (("as sent", posts), ("reversed", posts[::-1])):
        file, output = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.out"
        file.write_bytes(b"\n".join(lines))
        command = (sys.executable, "-m", "worker", "classify", str(file), "--output", str(output))
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        assert await process.wait() == 0
        assert scores(output.read_bytes().splitlines()) == through_kafka
    assert len(through_kafka) == len(posts)


async def test_a_restarted_worker_gives_the_same_scores_and_event_ids(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    def verdicts(values: list[bytes | None]) -> dict[str, tuple[str, str]]:
        found = [orjson.loads(value) for value in values if value is not None]
        return {v["post_id"]: (v["event_id"], orjson.dumps(v["scores"]).decode()) for v in found}

    posts = list(made_up_posts(150))
    seen = []
    for role in ("once", "again"):
        async with scene(kafka, lambda name, role=role: topics(f"{role}.{name}"), tmp_path) as stage:  # type: ignore[misc]
            await stage.produce(posts if role == "once" else reversed(posts))
            worker = stage.worker(role)
            await stage.until_done(worker)
            records = await read_all(kafka.bootstrap, stage.names.output)
            seen.append(verdicts([record.value for record in records]))
            worker.kill()
    assert seen[0] == seen[1]
    assert len(seen[0]) == len(posts)
