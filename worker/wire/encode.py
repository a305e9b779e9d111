"""From an outcome to the records that are published for it: verdict, dead letter, tombstone."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from worker.core.errors import Fatal, Reason, Rejected
from worker.core.policy import Action, Decision, Policy, decide
from worker.core.ports import Outcome
from worker.core.types import Channel, Expired, Headers, Outgoing, Partition, PostRef, Record, Scored, Scores, Tombstone
from worker.wire.dead_letter import SMALLEST_LIMIT, dead_letter
from worker.wire.decode import LONGEST_ID_BYTES
from worker.wire.sizes import passed, record_size, text_header

VERDICT_HEADERS: Headers = (("schema", b"verdict.v1"), ("content-type", b"application/json"))

_UNSCORED = Decision(Action.REVIEW, ())
_EXPIRED = Decision(Action.REVIEW, (Reason.EXPIRED.value,))
"""As it is counted, under a label of its own; in the verdict it has none."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model named in every verdict. `sha256` is lower-case hex."""

    name: str
    version: str
    sha256: str


class Encoder:
    """Encodes outcomes; never raises, and never returns a record larger than its topic takes.

    `limits` are the largest records in bytes, framing included, that each topic takes; the constructor raises Fatal
    where one is too small for the smallest verdict or dead letter. `decided` hears of every verdict (without scores
    where there are none). `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        model: Model,
        worker_version: str,
        limits: Mapping[Channel, int],
        clock: Callable[[], float] = time.time,
        decided: Callable[[Decision, Scores], None] | None = None,
    ) -> None:
        self._policy = policy
        self._model = {"name": model.name, "version": model.version, "sha256": model.sha256}
        # Thresholds too: a policy edited under its old version decides differently.
        self._judges = [model.sha256, policy.version, [[t.review, t.block] for t in policy.thresholds]]
        self._worker_version = worker_version
        self._limits = dict(limits)
        self._clock = clock
        self._decided = decided
        self._check_limits()

    def __call__(self, record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        """The records to publish for `outcome`, in order: none is lost, whatever the record holds."""
        try:
            match outcome:
                case Scored():
                    return self._scored(record, outcome)
                case Expired():
                    if self._decided:
                        self._decided(_EXPIRED, ())
                    return (self._verdict(record, outcome.post, _UNSCORED, (), 0, Reason.EXPIRED),)
                case Tombstone():
                    return self._tombstone(record)
                case Rejected():
                    return self._rejected(record, outcome)
        except Exception as error:  # noqa: BLE001 - settles the record: a bug here must not stop its partition
            return (self._dead_letter(record, Reason.INTERNAL, f"encoding failed: {type(error).__name__}"),)

    def _scored(self, record: Record, scored: Scored) -> tuple[Outgoing, ...]:
        try:
            decision = decide(scored.scores, self._policy)
        except ValueError as error:
            return self._rejected(record, Rejected(Reason.MODEL_FAILED, str(error), scored.post))
        if self._decided:
            self._decided(decision, scored.scores)
        return (self._verdict(record, scored.post, decision, scored.scores, scored.windows),)

    def _rejected(self, record: Record, rejected: Rejected) -> tuple[Outgoing, ...]:
        letter = self._dead_letter(record, rejected.reason, rejected.detail)
        if rejected.post is None:
            return (letter,)
        if self._decided:
            self._decided(_UNSCORED, ())
        return letter, self._verdict(record, rejected.post, _UNSCORED, (), 0, rejected.reason)

    def _tombstone(self, record: Record) -> tuple[Outgoing, ...]:
        if record.key is None:
            return (self._dead_letter(record, Reason.TOMBSTONE_WITHOUT_KEY, "no key says which post was deleted"),)
        origin = (
            text_header("source_topic", record.partition.topic),
            text_header("source_partition", record.partition.partition),
            text_header("source_offset", record.offset),
            text_header("source_timestamp", max(record.timestamp_ms, -1)),
        )
        limit = self._limits[Channel.OUTPUT]
        for headers in (origin + passed(record.headers), origin):
            if record_size(record.key, None, headers) <= limit:
                return (Outgoing(Channel.OUTPUT, record.key, None, headers),)
        detail = f"a tombstone whose key has {len(record.key)} bytes; MODERATION_MAX_OUTPUT_BYTES is {limit}"
        return (self._dead_letter(record, Reason.RECORD_TOO_LARGE, detail),)

    def _dead_letter(self, record: Record, reason: Reason, detail: str) -> Outgoing:
        limit = self._limits[Channel.DEAD_LETTER]
        return dead_letter(record, reason, detail, worker_version=self._worker_version, limit=limit)

    def _verdict(
        self,
        record: Record,
        post: PostRef,
        decision: Decision,
        scores: Scores,
        windows: int,
        reason: Reason | None = None,
    ) -> Outgoing:
        value = self._verdict_value(record, post, decision, scores, windows, reason)
        identity = post.id.encode()
        key = identity if record.key is None else record.key
        limit = self._limits[Channel.OUTPUT]
        headers = VERDICT_HEADERS + passed(record.headers)
        if record_size(key, value, headers) > limit:
            headers = VERDICT_HEADERS
        if record_size(key, value, headers) > limit:
            key = identity
            headers += (("key_replaced", b"true"),)
        return Outgoing(Channel.OUTPUT, key, value, headers)

    def _verdict_value(
        self,
        record: Record,
        post: PostRef,
        decision: Decision,
        scores: Scores,
        windows: int,
        reason: Reason | None,
    ) -> bytes:
        now = self._clock()
        decided_on = [post.id, post.revision, post.content_hash, *self._judges]
        if reason is not None:  # or a later, successful attempt would look like a repeat of this one
            decided_on.append(reason.value)
        verdict: dict[str, object] = {
            "schema": "verdict.v1",
            "event_id": hashlib.sha256(orjson.dumps(decided_on)).hexdigest(),
            "post_id": post.id,
            "revision": post.revision,
            "content_hash": post.content_hash,
            "action": decision.action.value,
            "labels": decision.labels,
            # Unrounded: a float32 as the double it is, so that scores compare bit for bit.
            "scores": dict(zip(self._policy.labels, scores, strict=True)) if scores else {},
            "model": self._model,
            "policy": {"version": self._policy.version},
            "windows": windows,
            "language": post.language,
            "source": {
                "topic": record.partition.topic,
                "partition": record.partition.partition,
                "offset": record.offset,
                "timestamp": max(record.timestamp_ms, -1),
            },
            "processed_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "latency_ms": self._latency_ms(record, now),
        }
        if reason is not None:
            verdict["reason"] = reason.value
        return orjson.dumps(verdict)

    def _latency_ms(self, record: Record, now: float) -> int | None:
        if record.timestamp_ms < 0:
            return None
        return max(int(now * 1000) - record.timestamp_ms, 0)

    def _check_limits(self) -> None:
        longest = PostRef("\0" * LONGEST_ID_BYTES, 2**63 - 1, "0" * 64, "x" * 64)  # a NUL takes six bytes in JSON
        record = Record(Partition("x" * 249, 2**31 - 1), 2**63 - 1, 0, b"x" * LONGEST_ID_BYTES, b"")
        labels = self._policy.labels
        decision = Decision(Action.REVIEW, labels)
        scores = (1.2345678901234567e-100,) * len(labels)
        value = self._verdict_value(record, longest, decision, scores, 2**31 - 1, max(Reason, key=len))
        needed = record_size(record.key, value, (*VERDICT_HEADERS, ("key_replaced", b"true")))
        if self._limits[Channel.OUTPUT] < needed:
            raise Fatal(f"{_smaller('OUTPUT', self._limits[Channel.OUTPUT])}; a verdict may need {needed}")
        if self._limits[Channel.DEAD_LETTER] < SMALLEST_LIMIT:
            limit = self._limits[Channel.DEAD_LETTER]
            raise Fatal(f"{_smaller('DEAD_LETTER', limit)}; a dead letter may need {SMALLEST_LIMIT}")


def _smaller(name: str, limit: int) -> str:
    return f"MODERATION_MAX_{name}_BYTES, or max.message.bytes of MODERATION_{name}_TOPIC where that is smaller, is {limit}"
