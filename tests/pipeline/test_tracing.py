"""Spans of posts: whose children, from when to when, and what is published with them."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from tests.pipeline.fakes import POISON, A, post, posts
from tests.pipeline.rig import Rig
from tests.wire import build
from worker.core.errors import Reason, Rejected, Transient
from worker.core.ports import Stages
from worker.core.types import Channel, Headers, Record
from worker.pipeline import Limits
from worker.tracing import Tracing
from worker.tracing.headers import continued
from worker.wire.sizes import record_size

TOPICS = {Channel.OUTPUT: "verdicts", Channel.DEAD_LETTER: "dead-letters"}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = (f"00-{TRACE}-{PARENT}-{flag}".encode() for flag in ("01", "00"))
ENOUGH = dict.fromkeys(Channel, 1_000_000)


def brought(record: Record, traceparent: bytes = SAMPLED) -> Record:
    headers = (("traceparent", traceparent), ("tracestate", b"vendor=1"), ("mine", b"1"))
    return replace(record, headers=headers)


class Traces:
    """A pipeline's spans, in a provider of their own, on the loop's clock."""

    def __init__(self, exporter: SpanExporter | None = None, limits: Mapping[Channel, int] = ENOUGH) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=4, max_export_batch_size=2)
            if exporter
            else SimpleSpanProcessor(self.exporter)
        )
        loop = asyncio.get_running_loop()
        self.tracing = Tracing(
            provider,
            group_id="group",
            client_id="client",
            clock=lambda: 1_000_000_000 + int(loop.time() * 1_000_000_000),
        )
        self._limits = limits

    def around(self, stages: Stages) -> Stages:
        return self.tracing.around(stages, TOPICS, self._limits)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span


def times(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e9, span.end_time / 1e9


def ids(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def sent(headers: Headers) -> str:
    return dict(headers)["traceparent"].decode()


async def test_stages_of_a_post_follow_each_other_below_the_span_that_posted_it() -> None:
    traces = Traces()
    rig = Rig(brought(post(0)), automatic=False, delays=[2.0, 3.0], around=traces.around)
    await rig.settle(10)
    rig.sink.acknowledge()
    await rig.stop()

    process, send = traces.one("process posts"), traces.one("send verdicts")
    assert (ids(process)[0], parent(process), process.kind) == (TRACE, PARENT, SpanKind.CONSUMER)
    assert [f"{link.context.span_id:016x}" for link in process.links] == [PARENT]
    assert process.attributes == {
        "messaging.system": "kafka",
        "messaging.client.id": "client",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "posts",
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "group",
        "messaging.kafka.offset": 0,
    }
    assert process.status.status_code is StatusCode.UNSET
    assert send.kind is SpanKind.PRODUCER
    assert (send.attributes or {})["messaging.destination.name"] == "verdicts"
    stages = [traces.one("decode"), traces.one("queue"), traces.one("score"), send]
    assert {(ids(span)[0], parent(span)) for span in stages} == {(TRACE, ids(process)[1])}
    assert times(stages[0])[0] - times(process)[0] == pytest.approx(2.0)  # `delays`: it waited for a thread
    assert times(stages[-1])[1] == times(process)[1]
    assert all(times(one)[1] == times(next_one)[0] for one, next_one in pairwise(stages))
    assert times(stages[2])[1] - times(stages[2])[0] == pytest.approx(3.0)
    assert times(send)[1] - times(send)[0] > 4.0


async def test_what_is_published_carries_the_context_of_its_own_span() -> None:
    traces = Traces()
    rig = Rig(brought(post(0, tokens="bad")), encode=build.encoder(), around=traces.around)
    await rig.settle()
    await rig.stop()

    letter, verdict = (item.outgoing for item in rig.sink.sent)
    assert sent(letter.headers) == "00-{}-{}-01".format(*ids(traces.one("send dead-letters")))
    assert sent(verdict.headers) == "00-{}-{}-01".format(*ids(traces.one("send verdicts")))
    assert [value for name, value in verdict.headers if name == "tracestate"] == [b"vendor=1"]
    assert len(dict(letter.headers)) == len(letter.headers)
    # redrive puts back what the post brought, and so its trace goes on.
    assert dict(letter.headers)["original.traceparent"] == SAMPLED
    process = traces.one("process posts")
    assert process.status.status_code is StatusCode.ERROR
    assert (process.attributes or {})["error.type"] == "not_json"
    assert traces.named("score") == []


async def test_what_has_no_room_for_a_context_is_published_without() -> None:
    limits = dict.fromkeys(Channel, 10_000)
    traces = Traces(limits=limits)
    encode, record = build.encoder(10_000, 10_000), replace(post(0, tokens="bad"), key=b"k" * 8_000)
    letter, _ = encode(record, Rejected(Reason.NOT_JSON, "no JSON", build.POST))
    room = 10_000 - record_size(letter.key, letter.value, letter.headers)
    rig = Rig(replace(record, key=b"k" * (8_000 + room)), encode=encode, around=traces.around)
    await rig.settle()
    await rig.stop()

    by_channel = {item.outgoing.channel: dict(item.outgoing.headers) for item in rig.sink.sent}
    assert "traceparent" in by_channel[Channel.OUTPUT]
    assert "traceparent" not in by_channel[Channel.DEAD_LETTER]
    assert len(traces.named("send dead-letters")) == 1


async def test_each_post_of_a_batch_has_spans_of_its_own() -> None:
    traces = Traces()
    rig = Rig(*(brought(record) for record in posts(3)), post(3, tokens="1 2|3|4"), around=traces.around)
    await rig.settle()
    await rig.stop()

    assert rig.observer.batches == [6]
    for name in ("decode", "queue", "score", "send verdicts"):
        assert {parent(span) for span in traces.named(name)} == {ids(span)[1] for span in traces.named("process posts")}
        assert len(traces.named(name)) == 4
    assert [parent(span) for span in traces.named("process posts")] == [PARENT] * 3 + [None]


async def test_copies_have_no_spans_of_what_was_not_done_for_them() -> None:
    """One waits beside the post that it is a copy of; two come while that is in its model call, and when it is over."""
    traces = Traces()
    copies = [brought(post(offset, tokens="7")) for offset in range(4)]
    rig = Rig(*copies[:2], limits=Limits(known_windows=100), delays=[0.0, 3.0], around=traces.around)
    await rig.settle(1)
    rig.source.append(copies[2])
    await rig.settle(5)
    rig.source.append(copies[3])
    await rig.settle(1)
    await rig.stop()

    assert rig.observer.batches == [1]
    by_id = {ids(span)[1]: span for span in traces.named("process posts")}
    for name, offsets in (("queue", [0, 1]), ("score", [0, 1]), ("send verdicts", [0, 1, 2, 3])):
        posts_of = [by_id[parent(span) or ""] for span in traces.named(name)]
        assert sorted(str((span.attributes or {})["messaging.kafka.offset"]) for span in posts_of) == [
            str(offset) for offset in offsets
        ]


async def test_a_post_that_the_model_fails_on_is_an_error() -> None:
    traces = Traces()
    rig = Rig(brought(post(0, tokens=str(POISON))), post(1), around=traces.around)
    await rig.settle()
    await rig.stop()
    failed, fine = traces.named("process posts")
    assert [span.status.status_code for span in (failed, fine)] == [StatusCode.ERROR, StatusCode.UNSET]
    assert len(traces.named("score")) == 2


async def test_deletion_is_marked_and_not_scored() -> None:
    traces = Traces()
    rig = Rig(Record(A, 0, -1, b"key", None), around=traces.around)
    await rig.settle()
    await rig.stop()
    assert (traces.one("process posts").attributes or {})["messaging.kafka.message.tombstone"] is True
    assert traces.named("score") == []


async def test_what_is_not_sampled_costs_no_span_and_travels_on_as_it_came() -> None:
    traces = Traces()
    rig = Rig(brought(post(0, tokens="bad"), NOT_SAMPLED), encode=build.encoder(), around=traces.around)
    await rig.settle()
    await rig.stop()
    assert traces.exporter.get_finished_spans() == ()
    assert [sent(item.outgoing.headers) for item in rig.sink.sent] == [NOT_SAMPLED.decode()] * 2


async def test_post_read_again_after_a_failure_begins_anew_in_its_trace() -> None:
    traces = Traces()
    rig = Rig(brought(post(0)), around=traces.around)
    rig.sink.send_faults.append(Transient("the broker is away"))
    await rig.settle(10)
    await rig.stop()
    assert rig.source.rewinds == 1
    assert ids(traces.one("process posts"))[0] == TRACE
    assert sent(rig.sink.sent[-1].outgoing.headers).split("-")[2] == ids(traces.one("send verdicts"))[1]


@given(st.binary(max_size=80) | st.sampled_from([b"", b"00", SAMPLED + b"-x", b"ff" + SAMPLED[2:]]), st.binary())
def test_no_header_is_too_odd_and_the_first_of_its_name_counts(odd: bytes, tracestate: bytes) -> None:
    continued((("traceparent", odd), ("tracestate", tracestate)))
    headers = (("traceparent", SAMPLED), ("traceparent", odd), ("tracestate", tracestate))
    found = get_current_span(continued(headers)).get_span_context()
    assert (f"{found.trace_id:032x}", f"{found.span_id:016x}") == (TRACE, PARENT)


class Stuck(SpanExporter):
    """A collector that takes spans and never answers; or one that fails."""

    def __init__(self, *, fails: bool) -> None:
        self.called = threading.Event()
        self.released = threading.Event()
        self._fails = fails

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        self.called.set()
        if self._fails:
            raise OSError("no route to the collector")
        self.released.wait()
        return SpanExportResult.FAILURE


@pytest.mark.parametrize("fails", [False, True])
async def test_collector_that_does_not_answer_holds_nothing_up(*, fails: bool) -> None:
    stuck = Stuck(fails=fails)
    traces = Traces(stuck)
    rig = Rig(*posts(200), around=traces.around)
    await rig.settle(5)
    await rig.stop()
    assert rig.sink.offsets() == list(range(200))
    assert rig.source.committed == {A: 200}
    assert stuck.called.wait(60)
    traces.tracing.close()  # returns, although the exporter does not
    assert stuck.released.is_set() is False
    stuck.released.set()
