"""Words at offsets of the text as its author wrote it, in the very windows that serving scores."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import worker
from worker.explain.passages import Passage, Reader
from worker.model.manifest import TOKENIZER
from worker.model.tokenizer import encode, load_tokenizer, special_token
from worker.text.normalise import normalise
from worker.text.options import Normalisation
from worker.text.windows import windows

BUNDLE = Path(worker.__file__).parent / "bundles" / "default"
MAX_LENGTH, OVERLAP = 12, 3
TOKENIZER_OF_BUNDLE = load_tokenizer(BUNDLE / TOKENIZER)
READER = Reader(TOKENIZER_OF_BUNDLE, MAX_LENGTH, OVERLAP)


def words(text: str) -> list[str]:
    return [text[word.start : word.end] for word in only(READER.passages(text)).words]


def only(passages: list[Passage]) -> Passage:
    [passage] = passages
    return passage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good morning, all!", ["Good", "morning", ",", "all", "!"]),
        ("unbelievably kind", ["unbelievably", "kind"]),  # several pieces, one word
        ("don't f*ck sh!t", ["don't", "f*ck", "sh!t"]),
        ("so-called. Yes", ["so-called", ".", "Yes"]),
        ("a - b", ["a", "-", "b"]),
        ("'twas", ["'", "twas"]),
        ("bi\u200btch here", ["bi\u200btch", "here"]),
        ("\uff47\uff4f\uff4f\uff44 \ufb01ne", ["\uff47\uff4f\uff4f\uff44", "\ufb01ne"]),  # full width, a ligature
        ("\u00bd cup\u2026", ["\u00bd", "cup", "\u2026"]),  # one character that folds to several words
        ("cafe\u0301 ok", ["cafe\u0301", "ok"]),
    ],
)
def test_words_are_those_a_reader_sees_in_the_original(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(
    st.text(st.characters(codec="utf-8"), max_size=60) | st.text("ab'*! \u00bd\u2026\u0301\u200b\ufb01", max_size=60)
)
@example("a" * 300)
@example("1\u20442 \u00bd\u00bd")
def test_any_text_is_cut_into_servings_windows_and_disjoint_words_that_miss_no_token(text: str) -> None:
    passages = READER.passages(text)

    [ids] = encode(TOKENIZER_OF_BUNDLE, [normalise(text).text])
    cls, sep = (special_token(TOKENIZER_OF_BUNDLE, token) for token in ("[CLS]", "[SEP]"))
    served = windows(ids, cls=cls, sep=sep, max_length=MAX_LENGTH, overlap=OVERLAP)
    assert [list(passage.window) for passage in passages] == [list(window) for window in served]
    for passage in passages:
        tiles = [(word.first, word.last) for word in passage.words]
        assert [first for first, _ in tiles] == [1, *(last for _, last in tiles[:-1])]
        assert tiles[-1][1] == len(passage.window) - 1
        assert all(first < last for first, last in tiles)
        edges = [edge for word in passage.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert all(word.start < word.end <= len(text) for word in passage.words)


def test_words_of_a_model_that_normalises_more_are_at_offsets_of_the_original_too() -> None:
    text = '"Go home" @some_one, see https://example.org/a?b=c now'
    reader = Reader(TOKENIZER_OF_BUNDLE, 64, 3, Normalisation(urls="placeholder", handles="placeholder", quotes="drop"))

    found = [text[word.start : word.end] for word in only(reader.passages(text)).words]

    assert [word.strip(' "') for word in found] == [
        "Go",
        "home",
        "@some_one",
        ",",
        "see",
        "https://example.org/a?b=c",
        "now",
    ]


def test_text_without_a_token_has_no_passage() -> None:
    assert READER.passages("\u200b \n") == []
