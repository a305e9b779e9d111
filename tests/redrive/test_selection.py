"""Which dead letters are chosen, and how they read back."""

import orjson
import pytest

from worker.core.errors import Reason
from worker.core.types import Headers, Partition, Record
from worker.redrive.letters import Letter, Origin
from worker.redrive.marks import Marks, decode, encode
from worker.redrive.selection import Selection, select
from worker.wire.dead_letter import dead_letter

WANTED = Selection(topic="posts")


def buried(record: Record, reason: Reason = Reason.INTERNAL, limit: int = 1_000_000, at_ms: int = 2_000) -> Record:
    letter = dead_letter(record, reason, "because", worker_version="1", limit=limit)
    return Record(Partition("dead", 3), 4, at_ms, letter.key, letter.value, letter.headers)


def failed(*, key: bytes | None = b"k", value: bytes | None = b"v", headers: Headers = ()) -> Record:
    return Record(Partition("posts", 1), 2, 1_000, key, value, headers)


def chosen(record: Record, wanted: Selection = WANTED, done: Marks | None = None) -> Letter:
    found = select(record, wanted, done or Marks())
    assert isinstance(found, Letter)
    return found


@pytest.mark.parametrize("key", [None, b"", b"k"])
@pytest.mark.parametrize("value", [b"", b"v"])
def test_key_value_and_headers_are_the_originals(key: bytes | None, value: bytes) -> None:
    headers = (("traceparent", b"00"), ("mine", b"1"), ("mine", b"2"))
    letter = chosen(buried(failed(key=key, value=value, headers=headers)))
    assert (letter.record.key, letter.value, letter.headers()[:-1]) == (key, value, headers)


def test_null_value_is_null_again() -> None:
    assert chosen(buried(failed(value=None))).value is None


def test_history_grows_with_each_failure() -> None:
    first = chosen(buried(failed()))
    again = chosen(buried(failed(headers=first.headers()), Reason.SCHEMA))
    stories = [orjson.loads(value) for name, value in again.headers() if name == "redriven"]
    assert [story["reason"] for story in stories] == ["internal", "schema"]
    assert stories[0]["dead_letter"] == {"topic": "dead", "partition": 3, "offset": 4, "timestamp_ms": 2_000}


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Selection("others"), "other_topic"),
        (Selection("posts", reasons={"schema"}), "other_reason"),
        (Selection("posts", since_ms=2_001), "other_time"),
        (Selection("posts", until_ms=2_000), "other_time"),
        (Selection("posts", largest=100), "too_large"),
    ],
)
def test_what_is_not_wanted_stays_with_the_reason(wanted: Selection, why: str) -> None:
    assert select(buried(failed()), wanted, Marks()) == why


def test_bounds_of_time_take_the_first_and_leave_the_last() -> None:
    chosen(buried(failed()), Selection("posts", since_ms=2_000, until_ms=2_001))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (buried(failed(value=b"v" * 20_000), limit=10_000), "truncated"),
        (buried(failed(key=b"k" * 20_000), limit=10_000), "key_truncated"),
        (buried(failed(key=None, value=None)), "tombstone_without_key"),
        (failed(), "not_a_dead_letter"),
        (failed(headers=(("schema", b"dead-letter.v1"), ("topic", b"posts"))), "not_a_dead_letter"),
    ],
)
def test_what_cannot_be_put_back_stays_with_the_reason(record: Record, why: str) -> None:
    assert select(record, WANTED, Marks()) == why


def test_a_mark_names_its_records_to_their_topic_alone_and_is_no_dead_letter() -> None:
    origins = [Origin(1, 2, 1_000), Origin(0, 7, -1)]
    key, value, headers = encode("posts", origins)
    mark = Record(Partition("dead", 0), 9, 0, key, value, headers)
    assert decode(mark, "posts") == origins
    assert decode(mark, "others") == []
    assert select(mark, WANTED, Marks()) is None


def test_a_marked_record_stays_but_not_one_at_its_place_in_a_topic_made_anew() -> None:
    done = Marks()
    done.add([Origin(1, 2, 1_000)])
    assert select(buried(failed()), WANTED, done) == "already_redriven"
    anew = Record(Partition("posts", 1), 2, 5_000, b"k", b"v")
    chosen(buried(anew), done=done)
