import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import ElectraModel

from tests.modeling.tiny import VOCABULARY
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.encoders.directories import alone
from worker.modeling.pretraining import pretrain as module
from worker.modeling.pretraining.packing import Packed
from worker.modeling.pretraining.pretrain import pretrain
from worker.modeling.pretraining.recipe import PretrainRecipe, Shape
from worker.modeling.pretraining.replaced_tokens import ReplacedTokenDetection, choose_places
from worker.modeling.training import checkpoint
from worker.modeling.training.checkpoint import save
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier

TINY = Shape(layers=2, hidden=64, embedding=32, heads=4, intermediate=128, positions=32)
WORDS = [a + b for a in "bdfgklmnprst" for b in "ae"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up lines, each about one of four topics that share no word."""
    draw = random.Random(5)
    path = tmp_path_factory.mktemp("texts") / "lines.txt"
    with path.open("w") as file:
        for _ in range(400):
            topic = draw.randrange(4)
            file.write(" ".join(draw.choices(WORDS[topic::4], k=draw.randrange(40, 80))) + "\n")
    return path


@pytest.fixture
def recipe(texts: Path) -> PretrainRecipe:
    return PretrainRecipe(
        texts=(str(texts),),
        shape=TINY,
        train_vocabulary=100,
        steps=8,
        batch_size=8,
        max_length=32,
        learning_rate=3e-3,
        bf16=False,
    )


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


def test_discriminator_learns_what_the_texts_are_like(recipe: PretrainRecipe, tmp_path: Path) -> None:
    report = pretrain(replace(recipe, steps=200, batch_size=16, max_length=16), tmp_path / "out")
    last = report["last_steps"]
    assert last["replaced"] > 0.05
    assert last["correct"] > 1 - last["replaced"] + 0.02  # to call every token the author's is right that often
    assert last["found"] > 0.3
    assert last["generator"] < 3.0  # log 24 = 3.18 knows the words and not the topic
    assert json.loads((tmp_path / "out" / "pretrain.json").read_text())["last_steps"] == last


def test_encoder_is_one_that_training_takes(recipe: PretrainRecipe, tmp_path: Path, texts: Path) -> None:
    out = tmp_path / "out"
    options = "--size tiny --layers 1 --hidden 64 --embedding 32 --heads 4 --intermediate 64 --normalise quotes=drop"
    options += " --train-vocabulary 100 --steps 2 --batch-size 4 --max-length 16 --dropout 0.1"
    assert main(["pretrain", "--texts", str(texts), "--out", str(out), *options.split()]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    encoder = ElectraModel.from_pretrained(out)
    assert (encoder.config.num_hidden_layers, encoder.config.embedding_size) == (1, 32)
    assert encoder.config.vocab_size == Tokenizer.from_file(str(out / "tokenizer.json")).get_vocab_size()
    logits = Classifier(encoder, ClassifierConfig(("hate",), 16))(torch.ones(1, 4, dtype=torch.long), torch.ones(1, 4))
    assert logits.shape == (1, 1)
    again = replace(recipe, encoder=str(out), train_vocabulary=None, steps=1)
    assert pretrain(again, tmp_path / "further")["steps"] == 1


def test_domain_adaptation_starts_from_the_given_weights(recipe: PretrainRecipe, encoder: Path, tmp_path: Path) -> None:
    started = replace(recipe, encoder=str(encoder), train_vocabulary=None, steps=1, learning_rate=1e-5)
    pretrain(started, tmp_path / "out")
    before, after = weights(encoder), weights(tmp_path / "out")
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (encoder / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_interrupted_run_ends_with_the_same_bits(
    dropout: float, recipe: PretrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(recipe, dropout=dropout)
    whole = pretrain(recipe, tmp_path / "whole")

    def save_and_stop(path: Path, identity: Any, state: Any) -> None:
        save(path, identity, state)
        if state["step"] == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe, tmp_path / "halved", checkpoint_seconds=0)
    assert not (tmp_path / "halved").exists()
    resumed = pretrain(recipe, tmp_path / "halved", checkpoint_seconds=0)
    assert resumed["last_steps"] == whole["last_steps"]
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "halved")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not (tmp_path / "halved.run").exists()


def test_another_seed_gives_another_encoder(recipe: PretrainRecipe, tmp_path: Path) -> None:
    for seed in (0, 1):
        pretrain(replace(recipe, seed=seed, steps=1), tmp_path / str(seed))
    name = "encoder.layer.0.output.dense.weight"
    assert not torch.equal(weights(tmp_path / "0")[name], weights(tmp_path / "1")[name])


def test_checkpoint_of_another_recipe_or_of_other_texts_is_refused(
    recipe: PretrainRecipe, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(texts.read_bytes())
    recipe = replace(recipe, texts=(str(mine),))
    with monkeypatch.context() as patch:
        patch.setattr(module, "written_aside", lambda _: pytest.fail("stopped before the end"))
        with pytest.raises(pytest.fail.Exception):
            pretrain(recipe, tmp_path / "out", checkpoint_seconds=0)
    with pytest.raises(Fatal, match=r"another recipe \(steps\)"):
        pretrain(replace(recipe, steps=9), tmp_path / "out")
    mine.write_text(texts.read_text() + "one more line\n")
    with pytest.raises(Fatal, match=r"another recipe \(tokens_sha256\)"):
        pretrain(recipe, tmp_path / "out")


def test_budget_of_minutes_ends_the_run(
    recipe: PretrainRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = pretrain(replace(recipe, steps=None, minutes=0.01), tmp_path / "out")
    assert report["steps"] >= 1
    printed = capsys.readouterr().out
    for part in ("tokens/s", "loss of generator", "accuracy", "replaced", "0.0 min left"):
        assert part in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--train-vocabulary 100 --steps 1 --texts {empty}", "hold no text"),
        ("--vocabulary {vocabulary} --steps 1 --texts {empty}", "hold 0 tokens, fewer than one sequence of 126"),
        ("--vocabulary {vocabulary} --steps 1 --texts {short}", "hold 5 tokens, fewer than one sequence"),
        ("--vocabulary {short} --steps 1 --texts {short}", "the vocabulary lacks [PAD]"),
        ("--vocabulary {twice} --steps 1 --texts {short}", "1 pieces stand in it twice"),
        ("--vocabulary {empty}.json --steps 1 --texts {short}", "no vocabulary"),
        ("--train-vocabulary 10 --steps 1 --texts {texts}", "single characters alone make"),
        ("--train-vocabulary 100 --texts {texts}", "--steps or --minutes"),
        ("--train-vocabulary 100 --steps 1 --minutes 1 --texts {texts}", "--steps or --minutes"),
        ("--steps 1 --texts {texts}", "give --vocabulary FILE or --train-vocabulary SIZE"),
        ("--encoder {encoder} --vocabulary {vocabulary} --steps 1 --texts {texts}", "--encoder brings its vocabulary"),
        ("--encoder {encoder} --layers 2 --steps 1 --texts {texts}", "--encoder brings its shape and vocabulary"),
        ("--encoder {encoder} --cased --steps 1 --texts {texts}", "--encoder brings its shape and vocabulary"),
        ("--encoder {encoder} --steps 1 --max-length 64 --texts {texts}", "the encoder has 32 positions"),
        ("--encoder {nothing} --steps 1 --texts {texts}", "nothing/tokenizer.json: "),
        ("--train-vocabulary 100 --steps 1 --hidden 100 --heads 3 --texts {texts}", "--heads 3 do not divide"),
        ("--train-vocabulary 100 --steps 1 --normalise emoji=loud --texts {texts}", "--normalise"),
        ("--train-vocabulary 100 --steps 1 --normalise emoji --texts {texts}", "emoji is keep or names, not ''"),
        ("--train-vocabulary 100 --steps 1 --batch-size 0 --texts {texts}", "--batch-size 0: must be 1 or more"),
        ("--train-vocabulary 100 --steps 1 --learning-rate 0 --texts {texts}", "--learning-rate 0.0: must be above 0"),
        ("--train-vocabulary 100 --steps 1 --dropout 1 --texts {texts}", "--dropout 1.0: must be"),
        ("--train-vocabulary 100 --steps 1 --layers 0 --texts {texts}", "--layers 0: must be 1 or more"),
    ],
)
def test_run_that_cannot_be_is_refused_with_what_to_change(
    options: str, message: str, texts: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "empty": "\u200b\n",
        "short": "go on\n",
        "vocabulary": "\n".join(VOCABULARY) + "\n",
        "twice": "\n".join([*VOCABULARY, "good"]) + "\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    places = {name: str(tmp_path / name) for name in [*files, "nothing"]}
    filled = options.format(**places, texts=texts, encoder=encoder)
    assert main(["pretrain", "--out", str(tmp_path / "out"), *filled.split()]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_packed_sequences_hold_every_token_once_in_an_epoch(tokenizer_file: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    lines = ["".join(random.Random(n).choices("abcdefgh", k=n % 7 + 1)) for n in range(100)]
    packed = Packed(tokenizer, lines, 10)
    epochs = [packed.batch(step, packed.count, seed=0) for step in (0, 1)]
    for rows in epochs:
        assert (rows[:, 0] == 2).all()
        assert (rows[:, -1] == 3).all()
    assert not (epochs[0] == epochs[1]).all()
    assert sorted(map(tuple, epochs[0])) == sorted(map(tuple, epochs[1]))
    assert packed.tokens - epochs[0][:, 1:-1].size < 8


def test_masked_places_are_the_wanted_share_and_never_special() -> None:
    torch.manual_seed(0)
    ids = torch.randint(5, 50, (16, 40))
    ids[:, 0], ids[:, ::7] = 2, 3
    places = choose_places(ids, torch.arange(5), 0.15)
    assert places.shape == (16, 6)
    assert (ids.gather(1, places) >= 5).all()
    assert all(len(set(row)) == 6 for row in places.tolist())


def test_generator_is_a_quarter_as_wide_and_shares_the_embeddings(encoder: Path) -> None:
    model = ReplacedTokenDetection(ElectraModel.from_pretrained(encoder))
    assert model.generator.config.hidden_size == 8
    words = model.discriminator.electra.embeddings.word_embeddings.weight
    assert model.generator.electra.embeddings.word_embeddings.weight is words
    assert model.generator.generator_lm_head.weight is words


def test_no_gradient_passes_from_the_discriminator_to_the_generator(encoder: Path) -> None:
    model = ReplacedTokenDetection(ElectraModel.from_pretrained(encoder))
    ids = torch.randint(5, 50, (4, 12))
    outcome = model(ids, choose_places(ids, torch.arange(5), 0.15), 4)
    outcome.discriminator.backward()
    assert all(p.grad is None for p in model.generator.electra.encoder.parameters())
    assert any(p.grad is not None for p in model.discriminator.electra.encoder.parameters())


def test_pretraining_that_another_run_is_at_is_refused_and_its_vocabulary_stays(texts: Path, tmp_path: Path) -> None:
    recipe = PretrainRecipe((str(texts),), shape=TINY, train_vocabulary=60, steps=1, batch_size=4, max_length=16)
    with alone(tmp_path / "out.run"), pytest.raises(Fatal, match=r"out\.run: another run writes to it"):
        pretrain(recipe, tmp_path / "out")
    assert not list((tmp_path / "out.run").iterdir())
