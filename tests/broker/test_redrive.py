"""`redrive` against a real Kafka: put back once, whatever happens."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from tests.broker.conftest import Names
from tests.broker.scene import scene
from tests.harness import Kafka
from tests.harness.secure import SecureKafka
from tests.harness.topics import create_topic, read_all
from worker.core.errors import Reason
from worker.core.types import Outgoing, Partition, Record
from worker.redrive.letters import Letter, read
from worker.redrive.writing import Transactions
from worker.wire.dead_letter import dead_letter
from worker.wire.schemas import validator

pytestmark = pytest.mark.broker


class Stage:
    """An input topic and its dead letters, and redrive as a process."""

    def __init__(self, kafka: Kafka | SecureKafka, topics: Names) -> None:
        self.bootstrap = kafka.bootstrap
        self.input, self.dead, self.group = topics("input"), topics("dead"), topics("group")

    async def create(self, partitions: int = 2) -> None:
        await create_topic(self.bootstrap, self.input, 2)
        await create_topic(self.bootstrap, self.dead, partitions)

    def letter(self, offset: int, reason: Reason = Reason.INTERNAL, **given: Any) -> Outgoing:
        values: dict[str, Any] = {
            "key": b"k%d" % offset,
            "value": b"v%d" % offset,
            "headers": (("mine", b"1"),),
        } | given
        topic = values.pop("topic", self.input)
        limit = values.pop("limit", 1_000_000)
        record = Record(Partition(topic, offset % 2), offset, 1_000 + offset, **values)
        return dead_letter(record, reason, "because", worker_version="1", limit=limit)

    async def bury(self, letters: Iterable[Outgoing], timestamp_ms: int | None = None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        async with producer:
            for letter in letters:
                await producer.send_and_wait(
                    self.dead, letter.value, letter.key, timestamp_ms=timestamp_ms, headers=list(letter.headers)
                )

    async def start(self, *arguments: str, **env: str) -> asyncio.subprocess.Process:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MODERATION_")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker", "redrive", *arguments),
            env=clean
            | {
                "MODERATION_BOOTSTRAP_SERVERS": self.bootstrap,
                "MODERATION_INPUT_TOPIC": self.input,
                "MODERATION_DEAD_LETTER_TOPIC": self.dead,
                "MODERATION_GROUP_ID": self.group,
            }
            | env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def redrive(self, *arguments: str, **env: str) -> dict[str, Any]:
        process = await self.start(*arguments, **env)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        summary: dict[str, Any] = orjson.loads(out)
        return summary

    def transactions(self) -> Transactions:
        return Transactions(
            {"bootstrap_servers": self.bootstrap},
            f"{self.group}.redrive",
            input_topic=(self.input, 2),
            dead_letter_topic=(self.dead, 2),
            deadline=60,
            batch_bytes=1_000,
        )

    async def put_back(self) -> dict[tuple[bytes | None, bytes | None], Mapping[str, bytes]]:
        """Records of the input topic by key and value; fails where one is there twice."""
        records = await read_all(self.bootstrap, self.input)
        found: dict[tuple[bytes | None, bytes | None], Mapping[str, bytes]]
        found = {(record.key, record.value): dict(record.headers) for record in records}
        assert len(found) == len(records)
        return found

    async def letters(self) -> list[Letter]:
        found = [
            read(Record(Partition(r.topic, r.partition), r.offset, r.timestamp, r.key, r.value, tuple(r.headers)))
            for r in await read_all(self.bootstrap, self.dead)
        ]
        return [letter for letter in found if letter is not None]


@pytest.fixture
async def stage(kafka: Kafka, topics: Names) -> Stage:
    found = Stage(kafka, topics)
    await found.create()
    return found


async def test_a_mended_dead_letter_becomes_a_verdict(kafka: Kafka, topics: Names, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as play:
        await play.produce([(b"p", orjson.dumps({"id": "p", "text": "longer than ten characters"}))])
        strict = play.worker("a", {"MODERATION_MAX_TEXT_LENGTH": "10"})
        await play.until_done(strict)
        strict.terminate()
        assert strict.wait() == 0
        stage = Stage(kafka, topics)
        stage.dead, stage.group = play.names.dead_letter, play.names.group
        assert (await stage.redrive())["by_reason"] == {"text_too_long": 1}
        mended = play.worker("b")
        consumer = AIOKafkaConsumer(
            play.names.output, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", group_id=None
        )
        async with consumer, asyncio.timeout(60):
            review = orjson.loads((await consumer.getone()).value)
            verdict = orjson.loads((await consumer.getone()).value)
        assert mended.ended() is None
    assert review["reason"] == "text_too_long"
    assert verdict["post_id"] == "p"
    assert set(verdict["scores"]) == {"hate", "offensive"}


async def test_records_come_back_as_they_were_with_their_history_and_only_once(stage: Stage) -> None:
    await stage.bury([
        stage.letter(0),
        stage.letter(1, key=None),
        stage.letter(2, value=None),
        stage.letter(3, Reason.TOMBSTONE_WITHOUT_KEY, key=None, value=None),
        stage.letter(4, value=b"x" * 20_000, limit=10_000),
        stage.letter(5, topic="elsewhere"),
        stage.letter(0),  # at least once: the worker may write it twice
    ])  # fmt: skip

    first, second = await stage.redrive(), await stage.redrive()

    assert first["redriven"] == first["matched"] == 3
    assert first["skipped"] == {
        "already_redriven": 1, "other_topic": 1, "tombstone_without_key": 1, "truncated": 1,
    }  # fmt: skip
    assert (second["redriven"], second["skipped"]["already_redriven"]) == (0, 4)
    found = await stage.put_back()
    assert set(found) == {(b"k0", b"v0"), (None, b"v1"), (b"k2", None)}
    headers = found[b"k0", b"v0"]
    assert headers["mine"] == b"1"
    story = orjson.loads(headers["redriven"])
    assert (story["topic"], story["offset"], story["timestamp_ms"]) == (stage.input, 0, 1_000)
    assert story["dead_letter"]["topic"] == stage.dead
    marks = [r for r in await read_all(stage.bootstrap, stage.dead) if ("schema", b"redriven.v1") in r.headers]
    assert {mark.partition for mark in marks} == {0, 1}
    for mark in marks:
        validator("redriven.v1").validate(orjson.loads(mark.value or b""))


async def test_filters_choose_and_a_later_run_takes_the_rest(stage: Stage) -> None:
    await stage.bury([stage.letter(0, Reason.SCHEMA), stage.letter(1)], timestamp_ms=1_000_000_000_000)  # 2001-09-09
    await stage.bury([stage.letter(2, Reason.SCHEMA), stage.letter(3)])

    late = await stage.redrive("--reason", "schema", "--since", "2020-01-01T00:00:00Z")
    early = await stage.redrive("--until", "2020-01-01T00:00:00Z", "--limit", "1")
    rest = await stage.redrive("--rate", "1000")

    assert (late["redriven"], early["redriven"], rest["redriven"]) == (1, 1, 2)
    assert late["by_reason"] == {"schema": 1}
    assert len(await stage.put_back()) == 4


async def test_dry_run_counts_and_writes_nothing(stage: Stage) -> None:
    await stage.bury([stage.letter(0, Reason.SCHEMA), stage.letter(1)])

    found = await stage.redrive("--dry-run")

    assert (found["by_reason"], found["redriven"]) == ({"internal": 1, "schema": 1}, 0)
    assert await stage.put_back() == {}
    assert len(await read_all(stage.bootstrap, stage.dead)) == 2


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
async def test_ended_between_records_it_goes_on_where_it_stopped(
    stage: Stage, number: signal.Signals, status: int
) -> None:
    await stage.bury(stage.letter(offset) for offset in range(10))
    process = await stage.start("--rate", "0.001")
    async with asyncio.timeout(60):
        while not await stage.put_back():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == status

    assert (await stage.redrive())["redriven"] == 9
    assert len(await stage.put_back()) == 10


async def test_records_of_an_unfinished_transaction_are_put_back_once_by_the_next_run(stage: Stage) -> None:
    await stage.bury(stage.letter(offset) for offset in range(3))
    transactions = stage.transactions()
    async with transactions:
        producer = transactions._producer
        await producer.begin_transaction()
        for letter in await stage.letters():
            await (await transactions._send(letter))  # stored, and then the process is gone

    assert (await stage.redrive())["redriven"] == 3
    assert len(await stage.put_back()) == 3


async def test_a_second_redrive_shuts_out_the_first(stage: Stage) -> None:
    await stage.bury(stage.letter(offset) for offset in range(3))
    first = await stage.start("--rate", "0.5")
    async with asyncio.timeout(60):
        while not await stage.put_back():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    await stage.redrive()
    _, err = await first.communicate()

    assert first.returncode == 1
    assert "another redrive of group" in err.decode()
    assert len(await stage.put_back()) == 3


async def test_missing_topic_is_named_with_its_setting(kafka: Kafka, topics: Names) -> None:
    stage = Stage(kafka, topics)
    await create_topic(kafka.bootstrap, stage.input, 1)
    process = await stage.start()
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert f"topic {stage.dead} (MODERATION_DEAD_LETTER_TOPIC) does not exist" in err.decode()


async def test_a_record_that_the_topic_refuses_takes_its_whole_transaction_back(kafka: Kafka, topics: Names) -> None:
    stage = Stage(kafka, topics)
    await create_topic(kafka.bootstrap, stage.input, 2, {"max.message.bytes": "2000"})
    await create_topic(kafka.bootstrap, stage.dead, 2)
    await stage.bury([stage.letter(0), stage.letter(1, value=os.urandom(5_000))])

    async with stage.transactions() as transactions:
        with pytest.raises(MessageSizeTooLargeError):
            await transactions.put(await stage.letters())
    assert await stage.put_back() == {}

    found = await stage.redrive()
    assert (found["redriven"], found["skipped"]) == (1, {"too_large": 1})


async def test_behind_anothers_open_transaction_it_puts_nothing_back(stage: Stage) -> None:
    other = AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=stage.dead)
    await stage.bury([stage.letter(0)])
    async with other:
        await other.begin_transaction()
        await asyncio.gather(*[await other.send(stage.dead, b"open", partition=number) for number in (0, 1)])
        process = await stage.start(MODERATION_RETRY_DEADLINE_SECONDS="1")
        _, err = await process.communicate()
        await other.abort_transaction()
    assert process.returncode == 1
    assert "another producer's transaction is open there" in err.decode()
    assert await stage.put_back() == {}
    assert (await stage.redrive())["redriven"] == 1
