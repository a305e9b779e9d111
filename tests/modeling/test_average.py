"""The mean of trainings' weights: what it is, what the card hears of it, and what has none."""

import dataclasses
import json
import random
import shutil
from pathlib import Path
from string import ascii_lowercase

import pytest
import torch

from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.model_card.runs import runs_of
from worker.modeling.training.average import average
from worker.modeling.training.network import Classifier
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import train


@pytest.fixture(scope="module")
def recipe(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    posts = tmp_path_factory.mktemp("posts") / "made.train.jsonl"
    draw = random.Random(1)
    with posts.open("w") as file:  # posts that have little in common: near-twins go into one fold
        for number in range(60):
            text = " ".join("".join(draw.choices(ascii_lowercase, k=5)) for _ in range(4))
            labels = {"hate": draw.randrange(2), "offensive": draw.randrange(2)}
            file.write(json.dumps({"id": str(number), "text": text, "labels": labels}) + "\n")
    return Recipe(str(encoder), (str(posts),), epochs=1, max_length=32, source_heads=0.5)


@pytest.fixture(scope="module")
def classifiers(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    found = [tmp_path_factory.mktemp("trained") / str(seed) for seed in range(2)]
    for seed, path in enumerate(found):
        train(dataclasses.replace(recipe, seed=seed, fold=seed), [], path)
    return found


def test_mean_of_two_trainings_has_the_mean_of_every_weight_and_says_of_which(
    classifiers: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mean"
    assert main(["average", "--classifier", *map(str, classifiers), "--out", str(out)]) == 0
    assert "the mean of 2 classifiers' weights" in capsys.readouterr().out
    first, second, mean = (Classifier.load(path) for path in (*classifiers, out))
    for name, value in mean.state_dict().items():
        expected = (first.state_dict()[name] + second.state_dict()[name]) / 2
        assert torch.allclose(value, expected, atol=1e-6), name
    assert any(not torch.equal(value, first.state_dict()[name]) for name, value in mean.state_dict().items())
    assert first.config.fold is not None
    assert second.config.fold == dataclasses.replace(first.config.fold, part=1)
    assert mean.config.fold is None
    shutil.copytree(classifiers[0], tmp_path / "same fold")
    average([classifiers[0], tmp_path / "same fold"], tmp_path / "mean of one fold")
    assert Classifier.load(tmp_path / "mean of one fold").config.fold == first.config.fold
    run = runs_of(out)[-1]
    assert run.recipe["seed"] == 0
    assert [each["seed"] for each in run.averaged] == [1]


def test_what_has_no_mean_is_refused_and_nothing_is_written(
    recipe: Recipe, classifiers: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for twice in ([classifiers[0]], [*classifiers, classifiers[0].parent / "." / classifiers[0].name]):
        with pytest.raises(Fatal, match="at least two different"):
            average(twice, out)
    with pytest.raises(Fatal, match=rf"{tmp_path}: no finished training"):
        average([classifiers[0], tmp_path], out)
    average(classifiers, tmp_path / "mean")
    with pytest.raises(Fatal, match=rf"{tmp_path}/mean is a mean itself"):
        average([classifiers[0], tmp_path / "mean"], out)
    train(dataclasses.replace(recipe, head="lstm"), [], tmp_path / "lstm")
    with pytest.raises(Fatal, match=rf"{tmp_path}/lstm has an LSTM"):
        average([classifiers[0], tmp_path / "lstm"], out)
    train(dataclasses.replace(recipe, max_length=16), [], tmp_path / "short")
    with pytest.raises(Fatal, match=rf"{tmp_path}/short has another max_length .*\(16, not 32\)"):
        average([classifiers[0], tmp_path / "short"], out)
    metrics = tmp_path / "short" / "metrics.json"
    found = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(found | {"encoder_sha256": "another"}))
    with pytest.raises(Fatal, match="another encoder to begin at"):
        average([classifiers[0], tmp_path / "short"], out)
    shutil.copytree(classifiers[1], tmp_path / "other")
    tokenizer = tmp_path / "other" / "tokenizer.json"
    content = json.loads(tokenizer.read_text())
    pieces = content["model"]["vocab"]
    pieces["bad"], pieces["the"] = pieces["the"], pieces["bad"]
    tokenizer.write_text(json.dumps(content))
    with pytest.raises(Fatal, match="another vocabulary"):
        average([classifiers[0], tmp_path / "other"], out)
    assert not out.exists()
