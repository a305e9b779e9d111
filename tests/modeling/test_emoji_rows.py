import json
import random
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, ElectraModel

from tests.modeling.published import SHAPE, disturbed, saved
from tests.modeling.tiny import VOCABULARY
from worker.model.classifier import Classifier
from worker.model.tokenizer import load_tokenizer
from worker.modeling.cli import main
from worker.modeling.encoders import factorise
from worker.text.normalise import normalise

JOY, RAGE, HEART, THUMB, KNOWN = "\U0001f602", "\U0001f621", "\u2764", "\U0001f44d", "\u2665"
FEMALE, NAMELESS = "\u2640", "\U0001f0c0"
SPARE = [f"[unused{number}]" for number in range(4)]
FIRST_ROW = len(VOCABULARY) + 1
TEXTS = [
    JOY * 9,
    f"ha{JOY}ha {KNOWN}{KNOWN} {KNOWN}",
    f"{RAGE} {JOY}",
    f"{RAGE}{HEART}\ufe0f",
    f"{FEMALE} {FEMALE} plain",
]


@pytest.fixture(scope="module")
def source(tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT whose vocabulary ends with one emoji that it knows and four spare rows."""
    folder = tmp_path_factory.mktemp("spare")
    content = json.loads(tokenizer_file.read_text())
    content["model"]["vocab"] |= {piece: len(VOCABULARY) + i for i, piece in enumerate([KNOWN, *SPARE])}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    model = disturbed(BertModel(BertConfig(**SHAPE | {"vocab_size": len(VOCABULARY) + 5})))
    return saved(model, folder / "tokenizer.json", folder / "bert")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "posts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


@pytest.fixture(scope="module")
def encoder(source: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rows given, which is as many emoji as the texts hold that the vocabulary lacks; a fourth was asked for."""
    out = tmp_path_factory.mktemp("made") / "encoder"
    assert main(["warm-start", str(source), "--out", str(out), "--emoji-rows", "4", "--texts", str(texts)]) == 0
    return out


def rows(encoder: Path) -> torch.Tensor:
    table: torch.Tensor = ElectraModel.from_pretrained(encoder).embeddings.word_embeddings.weight.detach()
    return table


def test_rows_go_to_the_commonest_emoji_that_no_piece_spells(encoder: Path) -> None:
    assert json.loads((encoder / "warm_start.json").read_text())["emoji"] == [JOY, RAGE, HEART]
    vocabulary = Tokenizer.from_file(str(encoder / "tokenizer.json")).get_vocab()
    assert [vocabulary[emoji] for emoji in (JOY, RAGE, HEART)] == [FIRST_ROW, FIRST_ROW + 1, FIRST_ROW + 2]
    assert [piece for piece in SPARE if piece in vocabulary] == [SPARE[3]]
    assert len(vocabulary) == len(VOCABULARY) + 5


def test_fewer_rows_than_emoji_go_to_the_commonest(source: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["warm-start", str(source), "--out", str(out), "--emoji-rows", "1", "--texts", str(texts)]) == 0
    assert json.loads((out / "warm_start.json").read_text())["emoji"] == [JOY]


def test_a_row_starts_as_the_mean_of_the_name_and_all_else_stays(source: Path, encoder: Path) -> None:
    before = BertModel.from_pretrained(source).embeddings.word_embeddings.weight.detach()
    after = rows(encoder)
    name = load_tokenizer(encoder / "tokenizer.json").encode("pouting face", add_special_tokens=False).ids
    assert torch.allclose(after[FIRST_ROW + 1], before[name].mean(0), atol=1e-6)
    changed = (before != after).any(1).nonzero().flatten().tolist()
    assert changed == [FIRST_ROW, FIRST_ROW + 1, FIRST_ROW + 2]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (JOY, [JOY]),
        (JOY + JOY + RAGE, [JOY, JOY, RAGE]),
        (f"good{JOY}bad", ["good", JOY, "bad"]),
        (f"{HEART}\ufe0f{HEART}", [HEART, HEART]),
        (f"{JOY}\u200d{HEART}\ufe0f\u200d{RAGE}", [JOY, HEART, RAGE]),
        (f"{RAGE}\U0001f3fdthe", [RAGE, "[UNK]", "the"]),
        (f"{RAGE}\u200d{FEMALE}\ufe0f", [RAGE, "[UNK]"]),
        (f"{THUMB}{KNOWN}!{JOY}", ["[UNK]", KNOWN, "!", JOY]),
    ],
)
def test_an_emoji_is_one_piece_whatever_stands_beside_it(text: str, pieces: list[str], encoder: Path) -> None:
    tokenizer = load_tokenizer(encoder / "tokenizer.json")
    assert tokenizer.encode(normalise(text).text, add_special_tokens=False).tokens == pieces


def test_a_spare_row_cannot_be_typed(source: Path) -> None:
    tokenizer = load_tokenizer(source / "tokenizer.json")
    assert not {*tokenizer.encode(f"{SPARE[0]} x{SPARE[1]}").tokens} & {*SPARE}


def test_an_emoji_row_survives_factorising(
    source: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factorise, "_STEPS", 5)
    monkeypatch.setattr(factorise, "_SOLVED", 1024)
    out = tmp_path / "out"
    command = ["warm-start", str(source), "--out", str(out), "--texts", str(texts)]
    assert main([*command, "--emoji-rows", "2", "--factorise", "8"]) == 0
    assert rows(out).shape == (len(VOCABULARY) + 5, 8)
    pieces = load_tokenizer(out / "tokenizer.json").encode(JOY + RAGE, add_special_tokens=False).tokens
    assert pieces == [JOY, RAGE]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--emoji-rows 5 --texts {texts}", "--emoji-rows 5: the vocabulary has 4 spare rows [unusedN]: want 1 to 4"),
        ("--emoji-rows 0 --texts {texts}", "want 1 to 4"),
        ("--emoji-rows 2 --texts {plain}", "hold no emoji that the vocabulary lacks"),
        ("--emoji-rows 2", "--emoji-rows needs --texts"),
        ("--emoji-rows 2 --factorise 8", "--emoji-rows needs --texts"),
    ],
)
def test_rows_that_cannot_be_given_are_refused_and_nothing_written(
    options: str, message: str, source: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text(f"no emoji, or one that is a piece {KNOWN}, one without a name {NAMELESS}, or {FEMALE}\n")
    chosen = shlex.split(options.format(texts=texts, plain=plain))
    assert main(["warm-start", str(source), "--out", str(tmp_path / "out"), *chosen]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plain.txt"]


def test_a_vocabulary_without_spare_rows_is_refused(
    bert_directory: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["warm-start", str(bert_directory), "--out", str(tmp_path / "out"), "--texts", str(texts)]
    assert main([*command, "--emoji-rows", "1"]) == 1
    assert "has 0 spare rows [unusedN]: it can take no emoji" in capsys.readouterr().err


def test_a_served_bundle_tells_posts_apart_by_their_emoji(encoder: Path, tmp_path: Path) -> None:
    draw = random.Random(5)
    with (tmp_path / "forum.train.jsonl").open("w", encoding="utf-8") as file:
        for number in range(160):
            emoji = draw.choice((JOY, RAGE))
            text = " ".join(draw.choices(("good", "the", "sun", "bad"), k=draw.randrange(1, 6))) + emoji
            labels = dict.fromkeys(("hate", "offensive"), int(emoji == RAGE))
            file.write(json.dumps({"id": str(number), "text": text, "labels": labels}) + "\n")
    posts = f"{tmp_path}/forum.train.jsonl"
    train = (
        f"train --encoder {encoder} --out {tmp_path}/classifier --train {posts} --max-length 32 "
        "--epochs 4 --batch-size 8 --learning-rate 5e-3 --normalise repeats=squeeze"
    )
    export = (
        f"export --classifier {tmp_path}/classifier --out {tmp_path}/bundle --name tiny --version 1.0.0 --overlap 8 "
        f"--calibration {posts} --dev {posts} --max-flips 1 --max-clear-flips 1"
    )
    for command in (train, export):
        assert main(shlex.split(command)) == 0, command
    served = Classifier.load(tmp_path / "bundle")
    assert served.bundle.manifest.normalisation.emoji == "keep"
    joy, rage = (_score(served, f"good sun{emoji}\ufe0f") for emoji in (JOY, RAGE))
    assert rage > joy + 0.3


def _score(classifier: Classifier, text: str) -> float:
    (windows,) = classifier.windows([classifier.normalise(text).text])
    return float(np.array(classifier.score(list(windows)))[0, 0])
