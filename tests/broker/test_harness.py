import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError

from tests.broker.conftest import Names
from tests.harness import Kafka
from tests.harness.distribution import HarnessError, jars, java
from tests.harness.topics import commit, committed_offsets, create_topic, end_offsets, produce, read_all

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
RECORDS = [(f"key-{n}".encode(), f"value-{n}".encode()) for n in range(200)]


async def test_records_written_are_read_back_in_order(kafka: Kafka, topics: Names) -> None:
    topic = topics("input")
    await create_topic(kafka.bootstrap, topic, partitions=3)
    assert await produce(kafka.bootstrap, topic, RECORDS) == len(RECORDS)
    found = await read_all(kafka.bootstrap, topic)
    assert sorted((record.key, record.value) for record in found) == sorted(RECORDS)
    positions = [(record.partition, record.offset) for record in found]
    assert positions == sorted(positions)
    assert sum((await end_offsets(kafka.bootstrap, topic)).values()) == len(RECORDS)


async def test_tombstones_and_empty_topics_are_read(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("empty"))
    assert await read_all(kafka.bootstrap, topics("empty")) == []
    await create_topic(kafka.bootstrap, topics("deleted"), partitions=1)
    await produce(kafka.bootstrap, topics("deleted"), [(b"key", None), (None, None)])
    assert [(r.key, r.value) for r in await read_all(kafka.bootstrap, topics("deleted"))] == [
        (b"key", None),
        (None, None),
    ]


async def test_an_aborted_transaction_at_the_end_does_not_stop_the_reader(kafka: Kafka, topics: Names) -> None:
    topic = topics("input")
    await create_topic(kafka.bootstrap, topic, partitions=1)
    await produce(kafka.bootstrap, topic, RECORDS[:3])
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topics("writer"))
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"never")
        await producer.abort_transaction()
    found = await read_all(kafka.bootstrap, topic)
    assert [record.value for record in found] == [value for _key, value in RECORDS[:3]]
    assert await end_offsets(kafka.bootstrap, topic) == {0: 5}


async def test_a_topic_takes_records_up_to_its_own_limit(kafka: Kafka, topics: Names) -> None:
    large = b"x" * 5_000_000
    await create_topic(kafka.bootstrap, topics("wide"), 1, {"max.message.bytes": "16777216"})
    await produce(kafka.bootstrap, topics("wide"), [(None, large)])
    assert [record.value for record in await read_all(kafka.bootstrap, topics("wide"))] == [large]
    await create_topic(kafka.bootstrap, topics("narrow"), 1)
    with pytest.raises(MessageSizeTooLargeError):
        await produce(kafka.bootstrap, topics("narrow"), [(None, large)])


async def test_a_topic_that_exists_is_refused(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("input"))
    with pytest.raises(TopicAlreadyExistsError):
        await create_topic(kafka.bootstrap, topics("input"))


async def test_commits_of_a_group_are_seen(kafka: Kafka, topics: Names) -> None:
    await create_topic(kafka.bootstrap, topics("input"), 2)
    assert await committed_offsets(kafka.bootstrap, topics("group"), topics("input")) == {}
    await commit(kafka.bootstrap, topics("group"), topics("input"), 1, 7)
    assert await committed_offsets(kafka.bootstrap, topics("group"), topics("input")) == {1: 7}


async def test_wrong_credentials_are_refused_and_right_ones_are_not(kafka: Kafka) -> None:
    await _sasl_start(kafka, Kafka.password)
    with pytest.raises(KafkaError):
        await _sasl_start(kafka, "guessed")


async def test_records_acknowledged_before_a_kill_are_there_after_a_restart(fresh_kafka: Kafka) -> None:
    address = fresh_kafka.bootstrap
    await create_topic(address, "input")
    await produce(address, "input", RECORDS)
    fresh_kafka.kill()
    fresh_kafka.start()
    assert fresh_kafka.bootstrap == address
    assert len(await read_all(address, "input")) == len(RECORDS)
    fresh_kafka.restart()
    await produce(address, "input", RECORDS)
    assert len(await read_all(address, "input")) == 2 * len(RECORDS)


async def test_a_paused_broker_answers_again_once_resumed(fresh_kafka: Kafka) -> None:
    await create_topic(fresh_kafka.bootstrap, "input")
    fresh_kafka.pause()
    writing = asyncio.create_task(produce(fresh_kafka.bootstrap, "input", RECORDS))
    done, _ = await asyncio.wait([writing], timeout=1.0)
    assert not done
    fresh_kafka.resume()
    assert await writing == len(RECORDS)


def test_the_broker_dies_with_a_process_that_is_killed(tmp_path: Path) -> None:
    script = "import sys\nfrom tests.harness import Kafka\nwith Kafka() as kafka:\n print(kafka.pid, flush=True)\n sys.stdin.read()"
    with (tmp_path / "errors").open("wb") as errors:
        parent = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
        )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        broker = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        psutil.wait_procs([broker], timeout=20)
        assert not broker.is_running()


def test_a_broker_that_cannot_start_shows_its_log() -> None:
    with (
        pytest.raises(HarnessError, match=r"(?s)StorageTool failed|ended with status 1.*log"),
        Kafka({"num.io.threads": "0"}),
    ):
        pass


def test_missing_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="make ci-tools"):
        java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(HarnessError, match="make ci-tools"):
        java()


def test_missing_maven_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="make ci-tools"):
        jars(cache=tmp_path / "cache")


def test_a_failing_resolve_leaves_no_half_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no route to the repository\nexit 1\n", encoding="utf-8")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(HarnessError, match="no route to the repository"):
        jars(cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_that_resolve_at_once_both_get_whole_jars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = tmp_path / "mvn"
    # Each waits until both are at it; the folder to fill is the last argument's value.
    maven.write_text(
        f"""#!/bin/sh
for last; do :; done
lib=${{last#-DoutputDirectory=}}
mkdir -p "$lib" && echo jar > "$lib/a.jar" && touch {tmp_path}/started.$$
while [ "$(ls {tmp_path}/started.* | wc -l)" -lt 2 ]; do sleep 0.05; done
""",
        encoding="utf-8",
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _n: jars(cache=tmp_path / "cache"), range(2))
    assert first == second
    assert (first / "a.jar").read_text(encoding="utf-8") == "jar\n"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.parent.name]


async def _sasl_start(kafka: Kafka, password: str) -> None:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=kafka.sasl_bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username=Kafka.username,
        sasl_plain_password=password,
    )
    try:
        await admin.start()
    finally:
        await admin.close()
