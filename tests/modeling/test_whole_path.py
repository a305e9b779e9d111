"""Every step of making a model, by its command, on made-up posts and a tiny encoder."""

import json
import random
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from tests.modeling.tiny import MAX_LENGTH, VOCABULARY, write_posts
from worker.model.classifier import Classifier
from worker.modeling.cli import main


def run(command: str, folder: Path) -> None:
    assert main(shlex.split(command.format(f=folder))) == 0, command


@pytest.fixture(scope="module")
def made(tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with posts, texts, and a BERT-shaped encoder as others publish theirs."""
    folder = tmp_path_factory.mktemp("whole")
    for name, seed, count in (("forum.train", 1, 240), ("forum.dev", 2, 300)):
        write_posts(folder / f"{name}.jsonl", random.Random(seed), count)
    texts = [json.loads(line)["text"] for line in (folder / "forum.train.jsonl").read_text().splitlines()]
    (folder / "texts.txt").write_text("\n".join(f"{text} again and again" for text in texts * 2))
    torch.manual_seed(3)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    config = BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=MAX_LENGTH, **shape)
    BertModel(config).save_pretrained(folder / "bert")
    (folder / "bert" / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    (folder / "bert" / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


@pytest.mark.timeout(600)  # fifteen commands
def test_every_step_from_a_published_encoder_to_a_served_bundle(made: Path) -> None:
    small = (
        "--max-length 32 --batch-size 8 --learning-rate 5e-3 --train {f}/forum.train.jsonl --dev {f}/forum.dev.jsonl"
    )
    run("warm-start {f}/bert --out {f}/teacher-encoder", made)
    run("warm-start {f}/bert --layers 0,2 --factorise 16 --texts {f}/texts.txt --out {f}/student-encoder", made)
    run(
        "pretrain --encoder {f}/student-encoder --texts {f}/texts.txt --max-length 32 --steps 12 --out {f}/pretrained",
        made,
    )
    run("train --encoder {f}/teacher-encoder --out {f}/teacher --epochs 4 --source-heads 0.3 " + small, made)
    run("augment --posts 60 --spelling {f}/forum.train.jsonl --out {f}/augmentation.train.jsonl", made)
    export = "--calibration {f}/forum.train.jsonl --dev {f}/forum.dev.jsonl --overlap 8 --version 1.0.0"
    run(
        "export --classifier {f}/teacher --out {f}/first --name first --max-flips 1 --max-clear-flips 1 " + export, made
    )
    choose = "--count 40 --clean 0 --pool 200 --texts {f}/texts.txt"
    run("select --bundle {f}/first --out {f}/unlabelled.jsonl " + choose, made)
    distill = "distill --encoder {f}/pretrained --scores {f}/scores.npz --unlabelled {f}/unlabelled.jsonl " + small
    run(distill + " --teacher {f}/teacher --out {f}/student --epochs 10 --normalise emoji=names", made)
    run(
        "export --classifier {f}/student --out {f}/bundle --name tiny --max-flips 1 --max-clear-flips 1 " + export, made
    )
    measure = "evaluate --bundle {f}/bundle --data {f}/forum.dev.jsonl --half report --json {f}/bundle.json"
    run(measure + " --baseline --train {f}/forum.train.jsonl --report {f}/report", made)
    choose = "--data {f}/forum.dev.jsonl --precision 0.5 --out {f}/policy.json"
    run("thresholds --bundle {f}/bundle " + choose, made)
    run("suite --bundle {f}/bundle --json {f}/suite.json", made)
    run("explain --bundle {f}/bundle --text 'the bad sun going home' --html {f}/page.html", made)
    (made / "about.toml").write_text('encoder = "random"\nvocabulary = "letters"\n')
    card = "--about {f}/about.toml --metrics 'Development={f}/bundle.json'"
    run("card --bundle {f}/bundle --classifier {f}/student " + card, made)

    classifier = Classifier.load(made / "bundle")
    assert classifier.bundle.manifest.normalisation.emoji == "names"
    good, bad = (_score(classifier, text) for text in ("the good sun going home", "the bad bad sun going home"))
    assert bad > good + 0.3
    assert "Make it again" in (made / "bundle" / "MODEL_CARD.md").read_text()
    assert "bad" in (made / "page.html").read_text()


def _score(classifier: Classifier, text: str) -> float:
    (windows,) = classifier.windows([classifier.normalise(text).text])
    return float(np.array(classifier.score(list(windows)))[0, 0])
