"""Records to model inputs: one outcome for each record, in order, whatever a single one of them holds."""

import json
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import Reason, Rejected
from worker.core.ports import Prepared
from worker.core.types import Partition, Post, Record, Scorable, Tombstone, Window
from worker.model.classifier import Classifier
from worker.prepare import Preparer
from worker.text.normalise import Normalised, normalise
from worker.text.options import AS_WRITTEN, Normalisation
from worker.wire.decode import Decoder

LIMIT = 50


class FakeClassifier:
    """One window of one token, its length, for each word; raises on a text that says so."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.normalisation = AS_WRITTEN

    def normalise(self, text: str) -> Normalised:
        return normalise(text, self.normalisation)

    def windows(self, texts: Sequence[str]) -> list[tuple[Window, ...]]:
        self.seen += texts
        if any("crash" in text for text in texts):
            raise MemoryError
        return [tuple((len(word),) for word in text.split()) for text in texts]


class BrokenDecoder(Decoder):
    def decode(self, record: Record) -> Post | Tombstone:
        if record.value == b"defect":
            raise ZeroDivisionError
        return super().decode(record)


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def prepare(classifier: FakeClassifier) -> Preparer:
    return Preparer(BrokenDecoder(), cast("Classifier", classifier), LIMIT)


def record(offset: int, value: bytes | None) -> Record:
    return Record(Partition("posts", 0), offset, -1, b"key", value)


def post(offset: int, text: str, **fields: str) -> Record:
    return record(offset, json.dumps({"id": f"p{offset}", "text": text, **fields}).encode())


def rejection(found: Prepared) -> Rejected:
    assert isinstance(found, Rejected)
    return found


def test_every_record_gets_its_own_outcome_in_order(prepare: Preparer) -> None:
    scored, tombstone, broken, again = prepare(
        [post(0, "one three"), record(1, None), record(2, b"{"), post(3, "fifty", title="a title")]
    )
    assert isinstance(scored, Scorable)
    assert (scored.post.id, scored.windows) == ("p0", ((3,), (5,)))
    assert isinstance(tombstone, Tombstone)
    assert rejection(broken).reason is Reason.NOT_JSON
    assert isinstance(again, Scorable)
    assert (again.post.id, again.windows) == ("p3", ((1,), (5,), (5,)))


def test_no_records_have_no_outcomes(prepare: Preparer) -> None:
    assert prepare([]) == []


def test_a_title_is_scored_although_the_text_is_empty(prepare: Preparer) -> None:
    [found] = prepare([post(0, "", title="only this")])
    assert isinstance(found, Scorable)
    assert found.windows == ((4,), (4,))


def test_a_text_of_invisible_characters_is_rejected_by_name_and_not_scored(prepare: Preparer) -> None:
    before, found, after = prepare([post(0, "a"), post(1, "\u200b\u2060"), post(2, "bb")])
    assert rejection(found).reason is Reason.NO_SCORABLE_TEXT
    assert (post_of(found), isinstance(before, Scorable), isinstance(after, Scorable)) == ("p1", True, True)
    assert cast("Scorable", after).windows == ((2,),)


def test_invisible_characters_beside_a_title_cost_the_title_nothing(prepare: Preparer) -> None:
    [found] = prepare([post(0, "\u200b", title="seen")])
    assert isinstance(found, Scorable)
    assert found.windows == ((4,),)


def test_texts_reach_the_model_normalised(prepare: Preparer, classifier: FakeClassifier) -> None:
    prepare([post(0, "\uff46\uff55\uff4c\uff4c w\u200bidth", title="\ufb01ne")])
    assert classifier.seen == ["fine", "full width"]


def test_texts_reach_the_model_as_its_bundle_says(prepare: Preparer, classifier: FakeClassifier) -> None:
    classifier.normalisation = Normalisation(handles="placeholder")
    prepare([post(0, "hi @bob", title="@alice")])
    assert classifier.seen == ["user", "hi user"]


@pytest.mark.parametrize("field", ["text", "title"])
@pytest.mark.parametrize(("length", "accepted"), [(LIMIT, True), (LIMIT + 1, False)])
def test_a_text_over_the_limit_is_rejected_by_name_and_the_setting(
    prepare: Preparer, field: str, length: int, accepted: bool
) -> None:
    [found] = prepare([post(0, **{"text": "short", field: "x" * length})])
    assert isinstance(found, Scorable) is accepted
    if not accepted:
        assert (rejection(found).reason, post_of(found)) == (Reason.TEXT_TOO_LONG, "p0")
        assert "MODERATION_MAX_TEXT_LENGTH" in rejection(found).detail
        assert "x" not in rejection(found).detail


def test_a_text_that_grows_over_the_limit_when_normalised_is_rejected(prepare: Preparer) -> None:
    # U+FDFA is one character, and 18 in NFKC.
    fits, grows = prepare([post(0, "\ufdfa"), post(1, "\ufdfa\ufdfa\ufdfa")])
    assert isinstance(fits, Scorable)
    assert rejection(grows).reason is Reason.TEXT_TOO_LONG
    assert "after normalisation" in rejection(grows).detail


def test_a_long_text_that_would_shrink_is_rejected_before_it_is_normalised(prepare: Preparer) -> None:
    [found] = prepare([post(0, "a" + "\u200b" * LIMIT)])
    assert rejection(found).reason is Reason.TEXT_TOO_LONG
    assert "after" not in rejection(found).detail


def test_a_post_the_tokenizer_fails_on_is_rejected_alone(prepare: Preparer) -> None:
    found = prepare([post(0, "a"), post(1, "crash"), record(2, None), post(3, "b", title="crash"), post(4, "cc")])
    assert [type(outcome) for outcome in found] == [Scorable, Rejected, Tombstone, Rejected, Scorable]
    assert {rejection(found[n]).reason for n in (1, 3)} == {Reason.INTERNAL}
    assert [post_of(found[n]) for n in (1, 3)] == ["p1", "p3"]
    assert cast("Scorable", found[4]).windows == ((2,),)


def test_a_record_our_own_decoder_fails_on_is_rejected_alone(prepare: Preparer) -> None:
    first, broken, last = prepare([post(0, "a"), record(1, b"defect"), post(2, "b")])
    assert rejection(broken).reason is Reason.INTERNAL
    assert "ZeroDivisionError" in rejection(broken).detail
    assert isinstance(first, Scorable)
    assert isinstance(last, Scorable)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=40), st.text(max_size=60).map(lambda t: post(0, t).value))))
def test_any_bytes_have_the_outcome_they_have_alone(values: list[bytes | None]) -> None:
    prepare = Preparer(Decoder(), cast("Classifier", FakeClassifier()), LIMIT)
    records = [record(offset, value) for offset, value in enumerate(values)]
    together = prepare(records)
    alone = [outcome for each in records for outcome in prepare([each])]
    assert [summary(outcome) for outcome in together] == [summary(outcome) for outcome in alone]


def summary(outcome: Prepared) -> object:
    return (outcome.reason, outcome.detail, outcome.post) if isinstance(outcome, Rejected) else outcome


def post_of(found: Prepared) -> str | None:
    named = rejection(found).post
    return named.id if named else None
