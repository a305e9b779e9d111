"""Where the disk is full, a command says what it could not write, and what was there still stands."""

import dataclasses
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.modeling.test_export import job
from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.modeling.encoders.warm_start import warm_start
from worker.modeling.export.run import export
from worker.modeling.pretraining.pretrain import pretrain
from worker.modeling.pretraining.recipe import PretrainRecipe, Shape
from worker.modeling.training.network import Classifier
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.teacher_scores import TeacherScores
from worker.modeling.training.train import train


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file may grow beyond `room` bytes: to a program, a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_last_checkpoint_stays_and_training_goes_on_from_it(encoder: Path, posts: Path, tmp_path: Path) -> None:
    dev, out = tmp_path / "dev.jsonl", tmp_path / "out"
    write_posts(dev, random.Random(8), 90)
    recipe = Recipe(str(encoder), (str(posts),), epochs=2, batch_size=16, max_length=32, patience=2)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, [dev], out, report=stop)
    before = files(out)
    assert before.keys() == {"checkpoint.pt", "best.pt"}
    with full_disk(10_000), pytest.raises(Fatal, match=rf"{out}/checkpoint\.pt: cannot be written"):
        train(recipe, [dev], out, checkpoint_seconds=0)
    assert files(out) == before
    assert len(train(recipe, [dev], out)["epochs"]) == 2


@pytest.mark.parametrize("room", [100, 10_000])
def test_classifier_that_was_there_stays(classifier: Path, tmp_path: Path, room: int) -> None:
    model = Classifier.load(classifier)
    model.save(tmp_path, classifier / "tokenizer.json")
    before = files(tmp_path)
    with torch.no_grad():
        model.out.bias.add_(1)
    with full_disk(room), pytest.raises(Fatal, match=f"{tmp_path}: the classifier cannot be written"):
        model.save(tmp_path, classifier / "tokenizer.json")
    assert files(tmp_path) == before


def test_teacher_scores_that_were_there_stay(tmp_path: Path) -> None:
    scores = TeacherScores(np.array(["a/1"]), np.zeros(1, np.uint32), np.zeros((1, 2), np.float32))
    scores.write(tmp_path / "scores.npz")
    before = files(tmp_path)
    with full_disk(100), pytest.raises(Fatal, match=r"scores\.npz: cannot be written"):
        scores.write(tmp_path / "scores.npz")
    assert files(tmp_path) == before


def pretraining(folder: Path) -> PretrainRecipe:
    texts = folder / "texts.txt"
    texts.write_text("good sun and rain going home again\n" * 200)
    shape = Shape(layers=1, hidden=32, embedding=32, heads=2, intermediate=32, positions=16)
    return PretrainRecipe((str(texts),), shape=shape, train_vocabulary=60, steps=2, batch_size=4, max_length=16)


@pytest.mark.parametrize(("room", "name"), [(100, "tokenizer.json"), (20_000, "checkpoint.pt")])
def test_pretraining_says_what_it_could_not_write(tmp_path: Path, room: int, name: str) -> None:
    recipe = pretraining(tmp_path)
    with full_disk(room), pytest.raises(Fatal, match=rf"out\.run/{name}: cannot be written"):
        pretrain(recipe, tmp_path / "out", checkpoint_seconds=0)
    assert not list(tmp_path.rglob("*partial*"))
    assert pretrain(recipe, tmp_path / "out")["steps"] == 2


def test_pretraining_that_could_not_write_its_encoder_takes_no_step_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_the_way := tmp_path / ".out.partial").touch()
    with pytest.raises(Fatal, match="out: cannot be written"):
        pretrain(pretraining(tmp_path), tmp_path / "out")
    assert "discriminator" in capsys.readouterr().out
    in_the_way.unlink()
    assert pretrain(pretraining(tmp_path), tmp_path / "out")["steps"] == 2
    assert "discriminator" not in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.6, 3], ids=["tokenizer", "weights"])
def test_warm_start_leaves_nothing_behind(bert_directory: Path, tmp_path: Path, share: float) -> None:
    room = int((bert_directory / "tokenizer.json").stat().st_size * share)  # enough for what is said meanwhile
    with full_disk(room), pytest.raises(Fatal, match="cannot be written"):
        warm_start(str(bert_directory), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.6, 3], ids=["tokenizer", "graph"])
def test_bundle_that_was_there_stays(classifier: Path, posts: Path, tmp_path: Path, share: float) -> None:
    wanted = dataclasses.replace(job(classifier, posts, tmp_path / "bundle"), quantization="fp32", dev=())
    export(wanted)
    before = files(wanted.out)
    room = int((classifier / "tokenizer.json").stat().st_size * share)
    with full_disk(room), pytest.raises(Fatal, match=f"{wanted.out}: cannot be written"):
        export(dataclasses.replace(wanted, version="2"))
    assert files(wanted.out) == before
    assert list(tmp_path.iterdir()) == [wanted.out]
