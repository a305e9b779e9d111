"""Ten thousand records that try to stop the stream: each becomes a verdict, or a dead letter with its own bytes."""

import os
from pathlib import Path

import pytest

from load_tests.fuzz import YEAR_1970, YEAR_2100, fuzzed
from load_tests.fuzz_run import CODECS, TOPIC_CONFIG, judge, write
from load_tests.watch import Names as TopicNames
from tests.broker.conftest import Names
from tests.broker.scene import scene
from tests.harness import Kafka

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]

RECORDS = int(os.environ.get("FUZZ_RECORDS", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
"""Another seed, or more records: FUZZ_SEED=2 FUZZ_RECORDS=100000 pytest tests/broker/test_fuzz.py."""


def test_records_follow_from_their_seed() -> None:
    assert list(fuzzed(50, 3)) == list(fuzzed(50, 3)) != list(fuzzed(50, 4))
    found = list(fuzzed(2_000, 3))
    assert {None, b""} < {record.key for record in found}
    assert {YEAR_1970, YEAR_2100} < {record.timestamp_ms for record in found}
    assert max(len(record.key or b"") for record in found) >= 100_000
    assert any(b"\\ud83d" in (record.value or b"") for record in found)


async def test_each_becomes_a_verdict_or_a_dead_letter_with_its_bytes(
    kafka: Kafka, topics: Names, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, input_config=TOPIC_CONFIG) as stage:
        written = await write(kafka.bootstrap, stage.names.input, fuzzed(RECORDS, SEED), stage.names.partitions)
        assert len(written) == RECORDS
        worker = stage.worker(env={"MODERATION_BREAKER": "false"})  # most are no posts, and it would wait
        await stage.until_done(worker)
        faults, ended = await judge(kafka.bootstrap, stage.names, written)
        assert faults[:5] == [], f"FUZZ_SEED={SEED}, {len(faults)} in all"
        assert set(ended) == {"verdict", "dead_letter", "dead_letter+verdict", "tombstone"}, ended
        worker.terminate()
        assert worker.wait() == 0


async def test_a_wrong_outcome_is_seen(kafka: Kafka, topics: Names, tmp_path: Path) -> None:
    """The judge itself: what it was told was written is not what the worker read."""
    async with scene(kafka, topics, tmp_path, input_config=TOPIC_CONFIG) as stage:
        written = await write(
            kafka.bootstrap, stage.names.input, fuzzed(len(CODECS) * 20, SEED), stage.names.partitions
        )
        await stage.until_done(stage.worker(env={"MODERATION_BREAKER": "false"}))
        positions = sorted(written)
        swapped = dict(zip(positions, [written[p] for p in positions[1:] + positions[:1]], strict=True))
        faults, _ = await judge(kafka.bootstrap, stage.names, swapped)
        assert any("another value" in fault for fault in faults)
        assert any("ended as" in fault for fault in faults)
        missing, _ = await judge(
            kafka.bootstrap, TopicNames(topics("x"), stage.names.output, stage.names.dead_letter), written
        )
        assert any("names no input" in fault for fault in missing)
