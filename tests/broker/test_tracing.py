"""A post's trace goes on through the worker: in the spans a collector gets, and in what is published."""

from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tests.broker.conftest import Names
from tests.broker.scene import Scene, made_up_posts, scene
from tests.harness import Kafka
from tests.harness.collector import collector
from tests.harness.topics import read_all

pytestmark = pytest.mark.broker

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = [("traceparent", f"00-{TRACE}-{PARENT}-01".encode()), ("tracestate", b"vendor=1")]


async def post_traced(stage: Scene) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap) as producer:
        value = orjson.dumps({"id": "p", "text": "Hello out there!"})
        await producer.send_and_wait(stage.names.input, value, b"p", headers=HEADERS)


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_trace_of_a_post_goes_on_to_its_verdict(
    kafka: Kafka, topics: Names, tmp_path: Path, delivery: str
) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        with collector() as spans:
            worker = stage.worker("a", {**spans.env, "MODERATION_DELIVERY": delivery})
            await post_traced(stage)
            await stage.until_done(worker)
            worker.terminate()
            assert worker.wait() == 0, worker.tail()  # which hands over the last spans
            [verdict] = await read_all(kafka.bootstrap, stage.names.output)
            named = {span.name: span for span in spans.spans()}
            resource = spans.resource()
    process, send = named[f"process {stage.names.input}"], named[f"send {stage.names.output}"]
    stages = [named["decode"], named["queue"], named["score"], send]
    assert len(named) == len(stages) + 1
    assert {span.trace_id.hex() for span in named.values()} == {TRACE}
    assert process.parent_span_id.hex() == PARENT
    assert {span.parent_span_id for span in stages} == {process.span_id}
    times = [at for span in stages for at in (span.start_time_unix_nano, span.end_time_unix_nano)]
    assert [process.start_time_unix_nano, *times, process.end_time_unix_nano] == sorted(
        [process.start_time_unix_nano, *times, process.end_time_unix_nano]
    )
    headers = dict(verdict.headers)
    assert headers["traceparent"].decode() == f"00-{TRACE}-{send.span_id.hex()}-01"
    assert headers["tracestate"] == b"vendor=1"
    assert resource["service.name"] == "moderation-worker"


async def test_off_the_context_of_a_post_is_passed_on_as_it_came(kafka: Kafka, topics: Names, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        worker = stage.worker()
        await post_traced(stage)
        await stage.until_done(worker)
        [verdict] = await read_all(kafka.bootstrap, stage.names.output)
    assert [header for header in verdict.headers if header[0].startswith("trace")] == HEADERS


async def test_collector_that_is_not_there_hurts_nobody(kafka: Kafka, topics: Names, tmp_path: Path) -> None:
    with collector() as gone:
        pass
    async with scene(kafka, topics, tmp_path) as stage:
        worker = stage.worker(
            "a", gone.env | {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50"}
        )
        await stage.produce(made_up_posts(300))
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
        assert (report.failures, report.duplicates) == ([], 0)
        assert "Failed to export spans batch" in worker.tail(1_000_000) or "Queue full" in worker.tail(1_000_000)
