"""Spans around what a pipeline is made of: it is handed traced parts, and knows of no spans.

For each post one span `process`, a child of the span that its `traceparent` names, from reading to acknowledgement; in it
`decode`, `queue`, `score`, and a `send` for each record published, whose context that record carries on. Names, kinds and
attributes: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/. A span holds positions, topics, reasons and times:
never a text, a key or an id.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, StatusCode, get_current_span, set_span_in_context

from worker import __version__
from worker.core.ports import Encode, Observer, Outcome, Prepare, Prepared, Stages
from worker.core.types import Channel, Outgoing, Record
from worker.tracing.flight import Flight, Traced, TracedSource
from worker.tracing.headers import continued, naming
from worker.wire.sizes import record_size

FLUSH_SECONDS = 2.0
"""The most a stop takes longer, for the last spans: what a collector has not taken by then is dropped."""


class Tracing:
    """Makes spans of one worker. `clock` gives nanoseconds since 1970."""

    def __init__(
        self,
        provider: TracerProvider,
        *,
        group_id: str,
        client_id: str,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("moderation-worker", __version__)
        self._common = {"messaging.system": "kafka", "messaging.client.id": client_id}
        self._group_id = group_id
        self._clock = clock

    def around(self, stages: Stages, topics: Mapping[Channel, str], limits: Mapping[Channel, int]) -> Stages:
        """The same stages, traced. `limits`: largest record in bytes for each of `topics`."""
        return Stages(
            source=TracedSource(stages.source, self._clock),
            prepare=self._preparing(stages.prepare),
            encode=self._encoding(stages.encode, topics, limits),
            observer=_TracedObserver(stages.observer, self._clock),
        )

    def close(self) -> None:
        """Hand over the last spans, within a bound."""
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)

    def _preparing(self, prepare: Prepare) -> Prepare:
        def traced(records: Sequence[Record]) -> list[Prepared]:
            start = self._clock()
            found = prepare(records)
            end = self._clock()
            for record in records:
                flight = _flight(record)
                self._begin(record, flight)
                self._stage(flight, "decode", start, end)
                flight.decoded = end
            return found

        return traced

    def _begin(self, record: Record, flight: Flight) -> None:
        # A post is processed for itself, though scored in a batch: so its context may be the parent, and is linked too.
        context = continued(record.headers)
        creation = get_current_span(context).get_span_context()
        topic, partition = record.partition
        attributes: dict[str, str | int] = {
            **self._common,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.consumer.group.name": self._group_id,
            "messaging.kafka.offset": record.offset,
        }
        if record.value is None:
            attributes["messaging.kafka.message.tombstone"] = True
        flight.process = self._tracer.start_span(
            f"process {topic}",
            context,
            SpanKind.CONSUMER,
            attributes,
            [Link(creation)] if creation.is_valid else (),
            start_time=flight.received,
        )

    def _stage(self, flight: Flight, name: str, start: int, end: int) -> None:
        if flight.process.is_recording():
            self._tracer.start_span(name, _in(flight), start_time=start).end(end)

    def _encoding(self, encode: Encode, topics: Mapping[Channel, str], limits: Mapping[Channel, int]) -> Encode:
        def traced(record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
            now, flight = self._clock(), _flight(record)
            outputs = encode(record, outcome)
            if not flight.process.is_recording():  # not sampled: what the post brought travels on as it is
                return outputs
            if flight.taken:
                self._stage(flight, "queue", flight.decoded, flight.taken)
                self._stage(flight, "score", flight.taken, now)
            return tuple(
                self._send(flight, outgoing, topics[outgoing.channel], limits[outgoing.channel], now)
                for outgoing in outputs
            )

        return traced

    def _send(self, flight: Flight, outgoing: Outgoing, topic: str, limit: int, now: int) -> Outgoing:
        if outgoing.channel is Channel.DEAD_LETTER:
            reason = next((value.decode() for name, value in outgoing.headers if name == "reason"), "_OTHER")
            flight.process.set_attribute("error.type", reason)
            flight.process.set_status(StatusCode.ERROR)
        attributes = {
            **self._common,
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
        }
        span = self._tracer.start_span(f"send {topic}", _in(flight), SpanKind.PRODUCER, attributes, start_time=now)
        flight.sends.append(span)
        headers = naming(span, outgoing.headers)
        if record_size(outgoing.key, outgoing.value, headers) > limit:
            return outgoing
        return replace(outgoing, headers=headers)


class _TracedObserver:
    """Implements Observer: hears when windows are taken and records acknowledged, and passes everything on."""

    def __init__(self, observer: Observer, clock: Callable[[], int]) -> None:
        self._observer = observer
        self._clock = clock
        self.consumed = observer.consumed
        self.rejected = observer.rejected
        self.tokenised = observer.tokenised
        self.looked_up = observer.looked_up
        self.scored = observer.scored
        self.committed = observer.committed
        self.in_flight = observer.in_flight
        self.paused = observer.paused
        self.rewound = observer.rewound
        self.breaker = observer.breaker

    def queued(self, record: Record, seconds: float) -> None:
        """See Observer. The first window of a post ends its waiting."""
        flight = _flight(record)
        flight.taken = flight.taken or self._clock()
        self._observer.queued(record, seconds)

    def acknowledged(self, record: Record, outputs: Sequence[Outgoing]) -> None:
        """See Observer."""
        flight, now = _flight(record), self._clock()
        for span in (*flight.sends, flight.process):
            span.end(now)
        self._observer.acknowledged(record, outputs)


def _flight(record: Record) -> Flight:
    return cast("Traced", record).flight


def _in(flight: Flight) -> Context:
    return set_span_in_context(flight.process, Context())
