import sys
import unicodedata
from random import Random
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.text import normalise as module
from worker.text.normalise import INVISIBLE, normalise

NORMALIZE = unicodedata.normalize
EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1)]
# What normalisers get wrong: jamo, marks of many classes, ligatures, joiners, variation selectors, half-width marks.
AWKWARD = (
    "aeoqßİfl\u1100\u1161\u11a8가각\u0301\u0323\u0327\u0308\u0344\u0f71\u0f72\u0f73\u0f75\u0f81\u3099\uff9e\uff9fカハ"
    "ﬁﬃﷺ\u200b\u200d\ufe0f\u00ad\u034f\u3164\u115f\u1160\u0000\ufeff\u202e👩❤\U0001f3fd①ﾊ㍿½ΐ\u09c7\u09be\u0b47\u0b56"
    "\U00011131\U00011127\U0001d15e\u2126\u212b\ud800\udc00 \n\t\r"
)
# `characters()` sorts all of Unicode when first used, which takes a third of a second and looks like a slow test.
texts = st.text(st.one_of(st.sampled_from(AWKWARD), st.integers(0, sys.maxunicode).map(chr)), max_size=40)


def reference(text: str) -> str:
    return unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


@given(texts)
@example("a\u0323\u200b\u0301")
@example("\u1100\u200d\u1161\ufe0f\u11a8")
def test_any_text_is_folded_once_and_for_all(text: str) -> None:
    folded = normalise(text).text
    assert folded == reference(text)
    assert normalise(folded).text == folded
    assert not INVISIBLE.search(folded)


@given(texts)
@example("e\u200b\u0301\u0323x")
@example("\u09c7\u200d\u09be")
@example("\u200b\u200bfoo")
def test_offsets_cut_any_text_where_its_parts_fold_alone(text: str) -> None:
    normalised = normalise(text)
    offsets = normalised.offsets()
    assert len(offsets) == len(normalised.text) + 1
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(text)
    starts = [0] + [i for i in range(1, len(offsets)) if offsets[i] > offsets[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(normalised.text)], strict=True):
        assert normalise(text[offsets[start] : offsets[end]]).text == normalised.text[start:end]


@given(texts)
def test_each_offset_points_at_a_character_that_prints(text: str) -> None:
    for offset in normalise(text).offsets()[:-1]:
        assert not INVISIBLE.match(text[offset])


def test_offsets_of_ordinary_words_are_those_of_their_letters() -> None:
    assert normalise("n\u200ba\u0301\ufb01!").text == "náfi!"
    assert normalise("n\u200ba\u0301\ufb01!").offsets() == [0, 2, 4, 4, 5, 6]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain words", "plain words"),
        ("\uff46\uff55\uff4c\uff4c \uff57\uff49\uff44\uff54\uff48", "full width"),
        ("s\u200bl\u200du\u00adr", "slur"),
        ("s\ufe0fl\U000e0061ur", "slur"),
        ("\u202ereversed\u202c", "reversed"),
        ("two\nlines\tand\rmore", "two\nlines\tand\rmore"),
        ("a\x00b\x1fc\x7fd\x85e", "abcde"),
        ("e\u200d\u0301", "é"),
        ("\u1112\u1161\u11ab", "한"),
        ("\u200b\u3164\u2060", ""),
        ("👩\u200d👧", "👩👧"),
    ],
)
def test_disguises_are_taken_off(written: str, read: str) -> None:
    assert normalise(written).text == read


def test_every_control_and_format_character_is_invisible_but_line_breaks_and_tabs() -> None:
    kept = set("\t\n\r")
    for char in EVERY_CHARACTER:
        if unicodedata.category(char) in {"Cc", "Cf"}:
            assert bool(INVISIBLE.match(char)) is (char not in kept), hex(ord(char))


def test_only_characters_that_print_nothing_are_invisible() -> None:
    blank = {"\u115f", "\u1160", "\u3164", "\uffa0"}  # Hangul fillers
    for char in EVERY_CHARACTER:
        if INVISIBLE.match(char) and char not in blank:
            assert unicodedata.category(char) in {"Cc", "Cf", "Mn", "Cn"}, hex(ord(char))


def test_no_character_folds_to_an_invisible_one() -> None:
    for char in EVERY_CHARACTER:
        if not INVISIBLE.match(char):
            assert not INVISIBLE.search(unicodedata.normalize("NFKC", char)), hex(ord(char))


def test_every_starter_that_composes_to_its_left_is_known() -> None:
    for char in EVERY_CHARACTER:
        parts = unicodedata.decomposition(char).split()
        if len(parts) == 2 and not parts[0].startswith("<") and unicodedata.normalize("NFC", char) == char:
            second = chr(int(parts[1], 16))
            assert unicodedata.combining(second) or second in module._COMPOSES_LEFT, hex(ord(char))
            assert not INVISIBLE.match(char), hex(ord(char))  # else folding twice would differ from folding once


def test_every_character_that_folds_to_marks_alone_counts_as_a_mark() -> None:
    for char in EVERY_CHARACTER:
        folded = unicodedata.normalize("NFKD", char)
        if unicodedata.combining(folded[0]) and not INVISIBLE.match(char):
            assert module._is_mark(char), hex(ord(char))
            assert module._MAYBE_MARKS.fullmatch(char * 64), hex(ord(char))


LONG_RUNS = st.lists(
    st.sampled_from("\u0301\u0323\u0327\u0344\u0f73\u0f81\uff9e\u3099a가カ👩\u200b①"), min_size=2, max_size=5
)


@given(LONG_RUNS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_long_runs_of_marks_fold_as_the_standard_says(chars: list[str], random: Random) -> None:
    text = "".join(random.choice(chars) for _ in range(1_500))
    assert normalise("x" + text).text == reference("x" + text)


def test_marks_are_put_in_order_in_less_than_quadratic_work(monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over: list[str] = []

    def spy(form: Literal["NFKC", "NFKD"], text: str) -> str:
        handed_over.append(text)
        return "" if len(text) > 1 else NORMALIZE(form, text)

    monkeypatch.setattr(unicodedata, "normalize", spy)
    normalise("a" + "\u0301\u0323" * 50_000)
    classes = [unicodedata.combining(char) for char in handed_over[-1]]
    assert len(classes) == 1 + 100_000
    assert classes == sorted(classes)
