"""Odd topics and outright wrong ones: what the log's shape, limits and permissions do to a worker."""

import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from load_tests.hostile import KINDS
from tests.broker.scene import Scene, made_up_posts, scene
from tests.harness import Kafka
from tests.harness.topics import create_topic, limit_records, read_all, transactions_ended

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]


async def truncate(stage: Scene, before: int) -> None:
    """Delete the records of partition 0 below `before`, as retention would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(stage.names.input, 0): RecordsToDelete(before)})
    finally:
        await admin.close()


async def test_aborted_transactions_are_not_scored_and_do_not_hold_up_the_commit(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topics("tx"))
        await producer.start()
        for text, abort in (("kept one", False), ("never said", True), ("kept two", False)):
            await producer.begin_transaction()
            await producer.send_and_wait(stage.names.input, orjson.dumps({"id": text, "text": text}), key=b"k")
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        await producer.stop()
        await stage.produce(made_up_posts(1))  # the last offset belongs to a record, not to a control record
        worker = stage.worker()
        await stage.until_done(worker)
        records = await read_all(kafka.bootstrap, stage.names.output)
    assert [json.loads(r.value or b"")["post_id"] for r in records] == ["kept one", "kept two", "p0"]


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_a_commit_past_retention_stops_the_partition_and_says_so(
    kafka: Kafka, topics: Unique, tmp_path: Path, delivery: str
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        await stage.produce(made_up_posts(10))
        once = {"MODERATION_DELIVERY": delivery}
        first = stage.worker("a", once)
        await stage.until_done(first)
        first.terminate()
        assert first.wait() == 0
        await stage.produce(made_up_posts(10))
        await truncate(stage, 15)
        second = stage.worker("b", once | {"MODERATION_HTTP_PORT": "0"})
        await stage.until_logged(second, "MODERATION_OUT_OF_RANGE=earliest")
        assert (await stage.watch.committed()) == {0: 10}
        assert len(await read_all(kafka.bootstrap, stage.names.output)) == 10
        second.terminate()
        assert second.wait() == 0
        third = stage.worker("c", once | {"MODERATION_OUT_OF_RANGE": "earliest"})
        await stage.until_done(third)
        await transactions_ended(kafka.bootstrap, stage.names.output)
        assert len(await read_all(kafka.bootstrap, stage.names.output)) == 15
        assert (await stage.settled_metrics(third))["moderation_offset_jumps_total"] == 1


async def test_topics_with_small_limits_take_every_output(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        small = stage.names.dead_letter + ".small"
        await create_topic(kafka.bootstrap, small, 1, {"max.message.bytes": "20000"})
        hostile = [
            (f"hostile-{kind}-0".encode(), KINDS[kind].value(f"hostile-{kind}-0"))
            for kind in ("five-megabytes", "megabyte-id")
        ]
        await stage.produce([*made_up_posts(50), *hostile])
        worker = stage.worker("a", {"MODERATION_DEAD_LETTER_TOPIC": small})
        await stage.until_done(worker)
        letters = await read_all(kafka.bootstrap, small)
    assert sorted(dict(letter.headers)["reason"] for letter in letters) == [b"schema", b"text_too_long"]
    for letter in letters:
        headers = dict(letter.headers)
        assert headers["truncated"] == b"true"
        assert int(headers["original_size"]) > 900_000
        assert len(letter.value or b"") > 15_000


async def test_an_output_topic_too_small_for_any_verdict_ends_the_worker_with_both_limits_named(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, 1, output_config={"max.message.bytes": "4000"}) as stage:
        await stage.produce(made_up_posts(1))
        worker = stage.worker()
        assert await stage.ended(worker) == 1
        assert "MODERATION_MAX_OUTPUT_BYTES" in worker.tail()
        assert "max.message.bytes" in worker.tail()
        assert await stage.watch.committed() == {}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_an_output_topic_whose_limit_is_lowered_ends_the_worker_and_the_next_one_keeps_to_it(
    kafka: Kafka, topics: Unique, tmp_path: Path, delivery: str
) -> None:
    once = {"MODERATION_DELIVERY": delivery}
    key = b"k" * 15_000
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        worker = stage.worker("a", once)
        await stage.produce(made_up_posts(3))
        await stage.until_done(worker)
        await limit_records(kafka.bootstrap, stage.names.output, 11_000)
        await stage.produce([(key, orjson.dumps({"id": "wide", "text": "fine"})), *made_up_posts(3)])
        assert await stage.ended(worker) == 1
        assert "max.message.bytes" in worker.tail()
        assert await stage.watch.committed() == {0: 3}
        successor = stage.worker("b", once)
        await stage.until_done(successor)
        report = await stage.judge()
        [wide] = [v for v in await read_all(kafka.bootstrap, stage.names.output) if v.key == b"wide"]
    assert report.failures == []
    assert dict(wide.headers)["key_replaced"] == b"true"


async def test_a_huge_key_does_not_jam_its_partition(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    key = b"k" * 2_000_000
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        await stage.produce([(key, orjson.dumps({"id": "a", "text": "fine"})), (key, None), (key, b"no json")])
        await stage.produce(made_up_posts(3))
        worker = stage.worker()
        await stage.until_done(worker)
        verdicts = await read_all(kafka.bootstrap, stage.names.output)
        letters = await read_all(kafka.bootstrap, stage.names.dead_letter)
    assert [v.key for v in verdicts] == [b"a", b"p0", b"p1", b"p2"]
    assert dict(verdicts[0].headers)["key_replaced"] == b"true"
    assert [dict(letter.headers)["reason"] for letter in letters] == [b"record_too_large", b"not_json"]


async def test_fewer_output_partitions_keep_a_key_together(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        narrow = stage.names.output + ".narrow"
        await create_topic(kafka.bootstrap, narrow, 3)
        posts = [(f"author-{n % 5}".encode(), orjson.dumps({"id": f"p{n}", "text": f"post {n}"})) for n in range(100)]
        await stage.produce(posts)
        worker = stage.worker("a", {"MODERATION_OUTPUT_TOPIC": narrow})
        await stage.until_done(worker)
        verdicts = await read_all(kafka.bootstrap, narrow)
    homes = {(v.key, v.partition) for v in verdicts}
    assert len(verdicts) == 100
    assert len(homes) == 5
    for author in range(5):
        numbers = [
            int(json.loads(v.value or b"")["post_id"][1:]) for v in verdicts if v.key == f"author-{author}".encode()
        ]
        assert numbers == sorted(numbers)


async def test_an_empty_topic_and_no_partition_leave_workers_ready(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        workers = [stage.worker("a"), stage.worker("b")]
        await stage.until_members(2)
        for worker in workers:
            await stage.until_ready(worker)
            assert stage.get(worker, "livez")["ok"] is True
        held = dict(await stage.watch.members())
        assert sorted(map(len, held.values())) == [0, 1]


async def test_metrics_tell_what_the_topics_hold(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        await stage.produce([*made_up_posts(60), (b"x", b"no json"), (b"t", None)])
        worker = stage.worker()
        await stage.until_done(worker)
        metrics = await stage.settled_metrics(worker)
        outputs = await read_all(kafka.bootstrap, stage.names.output)
        letters = await read_all(kafka.bootstrap, stage.names.dead_letter)
    assert metrics["moderation_messages_consumed_total"] == 62
    assert metrics['moderation_messages_published_total{channel="output"}'] == len(outputs) == 61
    assert metrics['moderation_messages_published_total{channel="dead_letter"}'] == len(letters) == 1
    assert metrics['moderation_dead_letters_total{reason="not_json"}'] == 1
    assert metrics["moderation_assigned_partitions"] == 4
    assert metrics["moderation_in_flight_posts"] == 0
    assert metrics["moderation_end_to_end_latency_seconds_count"] == 62
    assert sum(v for name, v in metrics.items() if name.startswith("moderation_consumer_lag{")) == 0
    assert sum(v for name, v in metrics.items() if name.startswith("moderation_batch_posts_sum")) == 60


async def test_a_stop_while_the_broker_is_silent_ends_at_once(
    fresh_kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(fresh_kafka, topics, tmp_path) as stage:
        fresh_kafka.pause()
        worker = stage.worker("a", {"MODERATION_REQUEST_TIMEOUT_SECONDS": "50"})
        await stage.until_live(worker)
        worker.terminate()
        assert await stage.ended(worker) == 0, worker.tail()
        fresh_kafka.resume()


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("MODERATION_INPUT_TOPIC", "no-such-topic", "MODERATION_INPUT_TOPIC"),
        ("MODERATION_OUTPUT_TOPIC", "no-such-topic", "MODERATION_OUTPUT_TOPIC"),
        ("MODERATION_DEAD_LETTER_TOPIC", "no-such-topic", "MODERATION_DEAD_LETTER_TOPIC"),
        ("MODERATION_BOOTSTRAP_SERVERS", "127.0.0.1:1", "MODERATION_BOOTSTRAP_SERVERS"),
        ("MODERATION_BUNDLE", "/nonexistent", "MODERATION_BUNDLE"),
        ("MODERATION_SCORING_THREADS", "none", "MODERATION_SCORING_THREADS"),
        ("MODERATION_SCORING_TREADS", "1", "MODERATION_SCORING_THREADS"),
    ],
)
async def test_a_wrong_setting_ends_the_worker_with_a_message_and_nothing_consumed(
    kafka: Kafka, topics: Unique, tmp_path: Path, setting: str, value: str, said: str
) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        await stage.produce(made_up_posts(5))
        worker = stage.worker("a", {setting: value, "MODERATION_REQUEST_TIMEOUT_SECONDS": "1"})
        assert await stage.ended(worker) == 1
        assert said in worker.tail()
        assert "Traceback" not in worker.tail()
        assert await stage.watch.committed() == {}


@pytest.mark.parametrize("password", ["known-to-the-tests", "not-the-one"], ids=["right", "wrong"])
async def test_a_login_is_used_and_a_refused_one_is_named(
    kafka: Kafka, topics: Unique, tmp_path: Path, password: str
) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        await stage.produce(made_up_posts(5))
        login = {
            "MODERATION_BOOTSTRAP_SERVERS": kafka.sasl_bootstrap,
            "MODERATION_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "MODERATION_SASL_USERNAME": kafka.username,
            "MODERATION_SASL_PASSWORD": password,
            "MODERATION_REQUEST_TIMEOUT_SECONDS": "3",
            "MODERATION_LOG_LEVEL": "DEBUG",
        }
        await stage.produce([(b"x", b'{"id": "s", "text": "zebra-unicorn", broken')])
        worker = stage.worker("a", login)
        if password == kafka.password:
            await stage.until_done(worker)
        else:
            assert await stage.ended(worker) == 1
            assert "MODERATION_SASL_PASSWORD" in worker.tail()
        said = worker.tail(1_000_000)
        assert password not in said
        assert "zebra-unicorn" not in said
