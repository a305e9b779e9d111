"""Hangul that is typed apart or drawn with other characters reads as what it draws."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.text.normalise import normalise
from worker.text.options import Normalisation

FOLD = Normalisation(hangul="fold")
PIECES = (
    "ㄱ",
    "ㄹ",
    "ㅋ",
    "ㅏ",
    "ㅣ",
    "ㅠ",
    "가",
    "각",
    "\u11ab",
    "r",
    "l",
    "1",
    "H",
    "a",
    " ",
    "'",
    '"',
    "\u0301",
    "\u200b",
)


def composed(text: str) -> str:
    """What NFKC makes of single letters."""
    return unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ㅅㅏ과", "사과"),  # NFKC alone
        ("ㅂㅏㄴㅏㄴㅏ", "바나나"),
        ("수바ㄱ", "수박"),
        ("ㅅㅜㅂㅏㄱ", "수박"),
        ("사ㄹ구 참ㅇㅚ", "살구 참외"),
        ("ㅅr과 ㅂH ㄱ1ㄹ", "사과 배 길"),
        ("ㅋㅋㅋㅋㅋ 하하", "ㅋㅋ 하하"),
        ("ㅠㅠㅠ", "ㅠㅠ"),
        ("사과ㅋ 배ㅎ", "사과ㅋ 배ㅎ"),
        ("사과ㄱㄱ ㄴㄴ", "사과ㄱㄱ ㄴㄴ"),
        ("수ㅂ 미ㅅ", "수ㅂ 미ㅅ"),
        ("ㅅrain ㄱ10 r1 ㄱㄱr", "ㅅrain ㄱ10 r1 ㄱㄱr"),
        ("수박 abc 1234 ㅋㅋ", "수박 abc 1234 ㅋㅋ"),
    ],
)
def test_letters_that_draw_a_syllable_are_that_syllable(written: str, read: str) -> None:
    assert normalise(written, FOLD).text == composed(read)


@pytest.mark.parametrize("hidden", ["수\u200b바\u3164ㄱ", "ㅅ\u200bㅜㅂㅏㄱ", "수바\uffa1"])  # \uffa1: half-width
def test_invisible_and_half_width_letters_hide_no_syllable(hidden: str) -> None:
    assert normalise(hidden, FOLD).text == "수박"


def test_syllable_leads_back_to_all_its_letters() -> None:
    text = "이 ㅅr과와 수바ㄱ은 ㅋㅋㅋㅋ 맛"
    normalised = normalise(text, FOLD)
    offsets = normalised.offsets()

    def original(word: str) -> str:
        start = normalised.text.index(composed(word))
        return text[offsets[start] : offsets[start + len(composed(word))]]

    assert [original(word) for word in ("사과", "수박", "은", "ㅋㅋ", "맛")] == [
        "ㅅr과",
        "수바ㄱ",
        "은",
        "ㅋㅋㅋㅋ",
        "맛",
    ]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_folded_text_is_folded_once_and_for_all(text: str) -> None:
    folded = normalise(text, FOLD)
    assert normalise(folded.text, FOLD).text == folded.text
    assert unicodedata.normalize("NFKC", folded.text) == folded.text
    offsets = folded.offsets()
    assert len(offsets) == len(folded.text) + 1
    assert offsets == sorted(offsets)


def test_texts_without_hangul_stay() -> None:
    assert normalise("r1 H Il naïve здесь", FOLD).text == "r1 H Il naïve здесь"
