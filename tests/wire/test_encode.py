import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.build import MODEL, NOW, POLICY, POST, encoder, header, record
from tests.wire.published import SCORED, SMALLEST, check_dead_letter, verdict
from worker.core.errors import Reason, Rejected
from worker.core.policy import Action, Decision, Policy, Threshold
from worker.core.types import Channel, Partition, PostRef, Record, Scored, Scores, Tombstone
from worker.wire.encode import Encoder


def test_a_scored_post_becomes_one_verdict_with_every_field_of_the_contract() -> None:
    (outgoing,) = encoder()(record(timestamp_ms=1_699_999_999_000), SCORED)
    thresholds = json.dumps([[t.review, t.block] for t in POLICY.thresholds], separators=(",", ":"))
    judged = f'["post-1",3,"{"b" * 64}","{"a" * 64}","policy-1",{thresholds}]'
    assert verdict(outgoing) == {
        "schema": "verdict.v1",
        "event_id": hashlib.sha256(judged.encode()).hexdigest(),
        "post_id": "post-1",
        "revision": 3,
        "content_hash": "b" * 64,
        "action": "review",
        "labels": ["offensive"],
        "scores": {"hate": 0.12300000339746475, "offensive": 0.75},
        "model": {"name": "default", "version": "1.0", "sha256": "a" * 64},
        "policy": {"version": "policy-1"},
        "windows": 2,
        "language": "en",
        "source": {"topic": "posts", "partition": 2, "offset": 41, "timestamp": 1_699_999_999_000},
        "processed_at": "2023-11-14T22:13:20.250Z",
        "latency_ms": 1_250,
    }
    assert outgoing.key == b"key"
    assert outgoing.headers == (("schema", b"verdict.v1"), ("content-type", b"application/json"))


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_scores_keep_every_bit_of_a_float32(hate: float, offensive: float) -> None:
    (outgoing,) = encoder()(record(), Scored(POST, (hate, offensive), 1))
    scores = verdict(outgoing)["scores"]
    assert isinstance(scores, dict)
    assert [np.float32(score).tobytes() for score in scores.values()] == [
        np.float32(score).tobytes() for score in (hate, offensive)
    ]


@pytest.mark.parametrize("reason", Reason)
def test_a_rejected_post_becomes_a_dead_letter_and_a_review_verdict_with_the_reason(reason: Reason) -> None:
    read = record(b"\x00\xffbytes as they were")
    letter, unscored = encoder()(read, Rejected(reason, "why", POST))
    check_dead_letter(letter)
    assert (letter.channel, letter.key, letter.value) == (Channel.DEAD_LETTER, read.key, read.value)
    expected = {"reason": reason.value, "detail": "why", "topic": "posts", "partition": "2", "offset": "41"}
    expected |= {"timestamp": "1700000000000", "worker_version": "0.1.0", "schema": "dead-letter.v1"}
    assert {name: header(letter, name) for name in expected} == expected
    found = verdict(unscored)
    assert (found["action"], found["reason"]) == ("review", reason.value)
    assert (found["labels"], found["scores"], found["windows"]) == ([], {}, 0)
    assert unscored.key == b"key"


def test_a_rejected_record_without_a_readable_id_becomes_a_dead_letter_alone() -> None:
    (letter,) = encoder()(record(None, None), Rejected(Reason.TOMBSTONE_WITHOUT_KEY, "no key"))
    check_dead_letter(letter)
    assert (letter.key, letter.value, header(letter, "tombstone")) == (None, b"", "true")


def test_a_tombstone_is_passed_on_under_its_key_with_its_source() -> None:
    (outgoing,) = encoder()(record(None, headers=(("x-request-id", b"r"), ("cookie", b"c"))), Tombstone())
    assert (outgoing.channel, outgoing.key, outgoing.value) == (Channel.OUTPUT, b"key", None)
    assert outgoing.headers == (
        ("source_topic", b"posts"),
        ("source_partition", b"2"),
        ("source_offset", b"41"),
        ("source_timestamp", b"1700000000000"),
        ("x-request-id", b"r"),
    )


def test_a_tombstone_that_cannot_be_passed_on_becomes_a_dead_letter() -> None:
    for key, reason in ((None, "tombstone_without_key"), (b"k" * 20_000, "record_too_large")):
        (letter,) = encoder(output=SMALLEST)(record(None, key), Tombstone())
        check_dead_letter(letter)
        assert header(letter, "reason") == reason


def test_a_record_without_a_key_gets_the_post_id_as_key() -> None:
    (outgoing,) = encoder()(record(key=None), Scored(PostRef("é-1", None, "b" * 64), (0.0, 0.0), 1))
    assert outgoing.key == "é-1".encode()
    found = verdict(outgoing)
    assert (found["revision"], found["language"], found["action"]) == (None, None, "allow")


def test_trace_and_correlation_headers_travel_on_once_and_others_do_not() -> None:
    headers = (("traceparent", b"1"), ("cookie", b"x"), ("traceparent", b"2"), ("schema", b"evil"), ("baggage", b"b"))
    for outgoing in encoder()(record(headers=headers), Rejected(Reason.SCHEMA, "why", POST)):
        passed = [item for item in outgoing.headers if item[0] in {"traceparent", "baggage", "cookie"}]
        assert passed == [("traceparent", b"1"), ("baggage", b"b")]
        assert [value for name, value in outgoing.headers if name == "schema"] in ([b"verdict.v1"], [b"dead-letter.v1"])


def test_a_dead_letter_keeps_the_headers_of_its_record_for_redrive() -> None:
    headers = (("a", b"1"), ("a", b"2"), ("reason", b"mine"))
    (letter,) = encoder()(record(headers=headers), Rejected(Reason.SCHEMA, "why"))
    kept = [(name.removeprefix("original."), v) for name, v in letter.headers if name.startswith("original.")]
    assert tuple(kept) == headers
    assert header(letter, "headers_truncated") is None


def test_the_event_id_is_the_decision_and_not_the_record() -> None:
    def event_id(
        post: PostRef, outcome: Reason | None = None, policy: str = "policy-1", offset: int = 41, review: float = 0.5
    ) -> object:
        read = Record(Partition("posts", 0), offset, offset, None, b"{}")
        made = Encoder(
            policy=Policy(policy, POLICY.labels, (Threshold(review), *POLICY.thresholds[1:])),
            model=MODEL,
            worker_version="0.1.0",
            limits=dict.fromkeys(Channel, 1_000_000),
        )
        scored = Scored(post, (0.1, 0.2), 1) if outcome is None else Rejected(outcome, "", post)
        return verdict(made(read, scored)[-1])["event_id"]

    assert event_id(POST, offset=1) == event_id(POST, offset=2)
    distinct = [
        event_id(POST),
        event_id(PostRef("post-2", 3, "b" * 64)),
        event_id(PostRef("post-1", 4, "b" * 64)),
        event_id(PostRef("post-1", None, "b" * 64)),
        event_id(PostRef("post-1", 3, "c" * 64)),
        event_id(POST, policy="policy-2"),
        event_id(POST, review=0.6),
        event_id(POST, Reason.MODEL_FAILED),
        event_id(POST, Reason.EMPTY_TEXT),
    ]
    assert len(set(distinct)) == len(distinct)


def test_latency_is_never_negative() -> None:
    made = Encoder(
        policy=POLICY,
        model=MODEL,
        worker_version="0.1.0",
        limits=dict.fromkeys(Channel, 1_000_000),
        clock=lambda: NOW,
    )
    now_ms = int(NOW * 1000)
    found = [verdict(made(record(timestamp_ms=at), SCORED)[0])["latency_ms"] for at in (now_ms - 5, now_ms, now_ms + 1)]
    assert found == [5, 0, 0]

    without = verdict(made(record(timestamp_ms=-1), SCORED)[0])
    assert without["latency_ms"] is None
    assert isinstance(without["source"], dict)
    assert without["source"]["timestamp"] == -1


def test_every_verdict_is_told_also_where_it_has_no_scores() -> None:
    told: list[tuple[Decision, Scores]] = []
    made = Encoder(
        policy=POLICY,
        model=MODEL,
        worker_version="0.1.0",
        limits=dict.fromkeys(Channel, 1_000_000),
        decided=lambda decision, scores: told.append((decision, scores)),
    )
    made(record(), Scored(POST, (0.95, 0.3), 1))
    made(record(), Rejected(Reason.SCHEMA, "", POST))
    made(record(None), Tombstone())
    assert told == [(Decision(Action.BLOCK, ("hate", "offensive")), (0.95, 0.3)), (Decision(Action.REVIEW, ()), ())]


@pytest.mark.parametrize("scores", [(math.nan, 0.0), (0.1,), (), (0.0, math.inf), (2.0, 0.0)])
def test_a_model_that_answers_nonsense_leads_to_review_and_never_to_allow(scores: Scores) -> None:
    letter, unscored = encoder()(record(), Scored(POST, scores, 1))
    check_dead_letter(letter)
    found = verdict(unscored)
    assert (found["action"], found["reason"]) == ("review", "model_failed")


def test_a_bug_in_encoding_ends_in_a_dead_letter_and_not_in_an_exception() -> None:
    def broken() -> float:
        raise RuntimeError("SECRETWORD")

    clock = [NOW]
    made = Encoder(
        policy=POLICY,
        model=MODEL,
        worker_version="0.1.0",
        limits=dict.fromkeys(Channel, 1_000_000),
        clock=lambda: clock.pop() if clock else broken(),
    )
    (letter,) = made(record(), SCORED)
    assert (header(letter, "reason"), header(letter, "detail")) == ("internal", "encoding failed: RuntimeError")
    (letter,) = encoder()(record(), Scored(PostRef("\ud800", 2**70, ""), (0.1, 0.2), 1))
    check_dead_letter(letter)
