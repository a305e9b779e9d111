from pathlib import Path

import pytest

from tests.modeling.tiny import VOCABULARY
from worker.model.tokenizer import load_tokenizer
from worker.modeling.encoders.vocabulary import SPECIAL, read_vocabulary, train_vocabulary

TEXTS = ["The rain falls", "the rain is falling", "it rained all day"] * 20


def test_trained_vocabulary_has_the_wanted_size_and_spells_the_texts(tmp_path: Path) -> None:
    tokenizer = train_vocabulary(lambda: TEXTS, 70)
    assert 40 < tokenizer.get_vocab_size() <= 70
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == list(range(5))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    hardened = load_tokenizer(tmp_path / "tokenizer.json")
    assert hardened.encode("The RAIN").tokens == ["[CLS]", "the", "rain", "[SEP]"]
    assert "[UNK]" not in hardened.encode(TEXTS[1]).tokens


def test_training_twice_gives_the_same_vocabulary() -> None:
    assert train_vocabulary(lambda: TEXTS, 60).to_str() == train_vocabulary(lambda: TEXTS, 60).to_str()


@pytest.mark.parametrize(("cased", "pieces"), [(False, ["good"]), (True, ["[UNK]"])])
def test_vocabulary_of_lines_is_uncased_unless_asked_otherwise(cased: bool, pieces: list[str], tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n")
    assert read_vocabulary(path, cased).encode("GOOD").tokens[1:-1] == pieces
