"""Dead letters: the input record as it was, with why and where from, in whatever room the topic leaves."""

import hashlib

from worker.core.errors import Reason
from worker.core.types import Channel, Headers, Outgoing, Record
from worker.wire.sizes import passed, record_size, taken, text_header

ORIGINAL_PREFIX = "original."
"""Put before the names of the input's own headers; `redrive` takes it away again."""

SMALLEST_LIMIT = 10_000
"""Bytes of a dead letter that always suffice: our own headers take under 3,000, and key and input headers a quarter
each at most where room is short."""


def dead_letter(record: Record, reason: Reason, detail: str, *, worker_version: str, limit: int) -> Outgoing:
    """The dead letter for `record`, of at most `limit` (at least SMALLEST_LIMIT) bytes on the wire.

    Where room is short the input's headers go first, then a long key, then the end of the value; headers say so.
    """
    quarter = limit // 4
    headers = _origin(record, reason, detail, worker_version)
    originals, complete = taken(record.headers, quarter // 2, prefix=ORIGINAL_PREFIX)
    headers += passed(record.headers, quarter // 2) + originals
    if not complete:
        headers += (("headers_truncated", b"true"),)
    key, value = record.key, record.value
    if value is None:  # neither key nor value cannot be sent with aiokafka, and a compacted topic would delete the key
        headers += (("tombstone", b"true"),)
        value = b""
    if key is not None and len(key) > quarter and record_size(key, value, headers) > limit:
        headers += (("key_truncated", b"true"), text_header("key_sha256", hashlib.sha256(key).hexdigest()))
        key = None
    if record_size(key, value, headers) > limit:
        headers += (
            ("truncated", b"true"),
            text_header("original_size", len(value)),
            text_header("original_sha256", hashlib.sha256(value).hexdigest()),
        )
        value = value[: max(limit - record_size(key, None, headers), 0)]
    return Outgoing(Channel.DEAD_LETTER, key, value, headers)


def _origin(record: Record, reason: Reason, detail: str, worker_version: str) -> Headers:
    return (
        ("schema", b"dead-letter.v1"),
        text_header("reason", reason.value),
        text_header("detail", detail),
        text_header("topic", record.partition.topic),
        text_header("partition", record.partition.partition),
        text_header("offset", record.offset),
        text_header("timestamp", max(record.timestamp_ms, -1)),
        text_header("worker_version", worker_version),
    )
