"""A dead letter read back: what it was, where it came from, and the record to put into the input topic again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from worker.core.types import Headers, Record
from worker.wire.dead_letter import ORIGINAL_PREFIX

HISTORY_HEADER = "redriven"
"""One for each time a record was put back, oldest first: JSON with the position it failed at, why, and its dead letter."""


class Origin(NamedTuple):
    """The input record that failed. With its timestamp, so that a topic made anew is not taken for the old one."""

    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `loss` says why the original cannot be had from it, None where it can."""

    record: Record
    topic: str
    origin: Origin
    reason: str
    tombstone: bool
    loss: str | None

    @property
    def value(self) -> bytes | None:
        """The original value."""
        return None if self.tombstone else self.record.value

    def headers(self) -> Headers:
        """The original headers, and after them one that tells this failure."""
        at = self.record
        story = {
            "reason": self.reason,
            "topic": self.topic,
            **self.origin._asdict(),
            "dead_letter": {
                "topic": at.partition.topic,
                "partition": at.partition.partition,
                "offset": at.offset,
                "timestamp_ms": at.timestamp_ms,
            },
        }
        originals = tuple(
            (name.removeprefix(ORIGINAL_PREFIX), value)
            for name, value in at.headers
            if name.startswith(ORIGINAL_PREFIX)
        )
        return (*originals, (HISTORY_HEADER, orjson.dumps(story)))


def read(record: Record) -> Letter | None:
    """The dead letter that `record` is; None where it is none."""
    headers: dict[str, bytes] = {}
    for name, value in record.headers:
        headers.setdefault(name, value)
    if headers.get("schema") != b"dead-letter.v1":
        return None
    try:
        return Letter(
            record=record,
            topic=headers["topic"].decode(),
            origin=Origin(*(int(headers[name]) for name in ("partition", "offset", "timestamp"))),
            reason=headers["reason"].decode(),
            tombstone="tombstone" in headers,
            loss=_loss(record, headers),
        )
    except (KeyError, ValueError):
        return None


def _loss(record: Record, headers: Mapping[str, bytes]) -> str | None:
    if "truncated" in headers:
        return "truncated"
    if "key_truncated" in headers:
        return "key_truncated"
    if "tombstone" in headers and record.key is None:
        return "tombstone_without_key"  # no mending makes it anything else
    return None
