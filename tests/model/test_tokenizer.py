from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import Fatal
from worker.model.tokenizer import LONGEST_WORD, encode, load_tokenizer, special_token
from worker.settings.fields import BUNDLED_MODEL

TOKENIZER = load_tokenizer(BUNDLED_MODEL / "tokenizer.json")
UNKNOWN = special_token(TOKENIZER, "[UNK]")
CONTROLS = {special_token(TOKENIZER, token) for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")}


def ids(text: str) -> list[int]:
    return encode(TOKENIZER, [text])[0]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_unknown_token_never_covers_more_than_one_character(text: str) -> None:
    encoding = TOKENIZER.encode(text, add_special_tokens=False)
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        assert token != UNKNOWN or end - start == 1
    assert encoding.ids == ids(text)


@pytest.mark.parametrize("symbol", ["🎉", "🤡", "★", "☭", "𒀀", "☺\ufe0f"])
@pytest.mark.parametrize("shape", ["{0}idiots", "idiots{0}", "idi{0}ots", "{0}{0}idiots{0}"])
def test_symbol_against_a_word_does_not_hide_its_letters(symbol: str, shape: str) -> None:
    found = ids(shape.format(symbol))
    parts = "idi ots" if shape == "idi{0}ots" else "idiots"
    assert set(ids(parts)) <= set(found)


def test_very_long_word_yields_many_tokens_and_no_unknown_one() -> None:
    found = ids("abcde" * 1000)
    assert len(found) > 5000 / LONGEST_WORD
    assert UNKNOWN not in found


@pytest.mark.parametrize("token", ["[SEP]", "[CLS]", "[PAD]", "[MASK]"])
def test_control_token_typed_by_an_author_is_text(token: str) -> None:
    found = ids(f"hello {token} there")
    assert not CONTROLS.intersection(found)
    assert len(found) > 3
    assert ids("[UNK]") != [UNKNOWN]


def test_batch_gives_what_each_text_gives_alone() -> None:
    texts = ["hello", "", "a much longer text " * 40, "🎉"]
    assert encode(TOKENIZER, texts) == [ids(text) for text in texts]
    assert ids("") == []


def test_long_text_is_not_truncated() -> None:
    assert len(ids("word " * 3000)) == 3000


@pytest.mark.parametrize("content", [None, "", "{}", "\x00"])
def test_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Fatal, match=r"tokenizer\.json"):
        load_tokenizer(path)


def test_vocabulary_without_a_special_token_is_refused() -> None:
    with pytest.raises(Fatal, match=r"\[NONE\]"):
        special_token(TOKENIZER, "[NONE]")
