"""Weights that a run starts from or learns from: made anew in the same place, or not what their directory says."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.modeling.tiny import LABELS, write_posts
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.posts.examples import read_unlabelled
from worker.modeling.posts.halves import half_of
from worker.modeling.pretraining import pretrain as pretraining
from worker.modeling.pretraining.recipe import PretrainRecipe
from worker.modeling.search import tune
from worker.modeling.search.ablate import Ablation, ablate
from worker.modeling.search.tune import Search, search
from worker.modeling.training.network import HEAD, Classifier
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.teacher_scores import TeacherScores
from worker.modeling.training.train import train

WEIGHTS = "model.safetensors"


@pytest.fixture
def mine(encoder: Path, tmp_path: Path) -> Path:
    """A copy of the encoder, to be changed."""
    return shutil.copytree(encoder, tmp_path / "mine")


def change(directory: Path) -> None:
    tensors = load_file(directory / WEIGHTS)
    name = "encoder.layer.0.output.dense.weight"
    save_file(tensors | {name: tensors[name] + 1}, directory / WEIGHTS, {"format": "pt"})


def deepen(directory: Path) -> None:
    """Let config.json speak of a layer that the weights lack."""
    config = directory / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 3}))


def widen(directory: Path) -> None:
    """Let config.json speak of wider layers than there are."""
    config = directory / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"hidden_size": 64}))


def short(encoder: Path, posts: Path) -> Recipe:
    return Recipe(str(encoder), (str(posts),), epochs=1, batch_size=32, max_length=32)


def test_finished_run_is_not_handed_out_for_another_encoder_in_the_same_place(
    mine: Path, posts: Path, tmp_path: Path
) -> None:
    train(short(mine, posts), [], tmp_path / "out")
    change(mine)
    with pytest.raises(Fatal, match=r"another recipe \(encoder_sha256\); remove it"):
        train(short(mine, posts), [], tmp_path / "out")


def test_finished_run_is_not_handed_out_for_other_teachers_scores(encoder: Path, posts: Path, tmp_path: Path) -> None:
    scores, examples = tmp_path / "scores.npz", read_unlabelled(posts, len(LABELS))
    recipe = replace(short(encoder, posts), teacher_scores=str(scores))
    for number in range(2):
        TeacherScores.of(examples, torch.full((len(examples), 2), float(number))).write(scores)
        if number == 0:
            train(recipe, [], tmp_path / "out")
    with pytest.raises(Fatal, match=r"another recipe \(posts_sha256\)"):
        train(recipe, [], tmp_path / "out")


def test_experiments_are_not_continued_with_another_encoder_in_the_same_place(
    mine: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, what, dev = short(mine, posts), Ablation(50, seeds=1, only=()), tmp_path / "dev.jsonl"
    write_posts(dev, random.Random(8), 30)
    ablate(recipe, [dev], tmp_path / "ablation", what)
    with monkeypatch.context() as patched:
        patched.setattr(tune, "ray", None)  # an interruption before Ray starts
        with pytest.raises(Fatal, match="Ray did not start"):
            search(recipe, [dev], tmp_path / "search", Search(()))
    change(mine)
    with pytest.raises(Fatal, match=r"\(encoders_sha256\)"):
        ablate(recipe, [dev], tmp_path / "ablation", what)
    with pytest.raises(Fatal, match=r"\(encoder_sha256\)"):
        search(recipe, [dev], tmp_path / "search", Search(()))


def test_pretraining_is_not_continued_from_another_encoder_in_the_same_place(
    mine: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = PretrainRecipe(texts=(str(posts),), encoder=str(mine), steps=1, max_length=32)
    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "written_aside", lambda _: pytest.fail("stopped before the end"))
        with pytest.raises(pytest.fail.Exception):
            pretraining.pretrain(recipe, tmp_path / "out", checkpoint_seconds=0)
    change(mine)
    with pytest.raises(Fatal, match=r"another recipe \(encoder_sha256\)"):
        pretraining.pretrain(recipe, tmp_path / "out")


def test_another_teacher_of_hidden_states_is_another_run(encoder: Path, classifier: Path, tmp_path: Path) -> None:
    teacher = shutil.copytree(classifier, tmp_path / "teacher")
    recipe = Recipe(str(encoder), (), hidden_teacher=str(teacher), hidden_weight=0.1)
    before = recipe.digests()
    change(teacher)
    assert [name for name, digest in recipe.digests().items() if before[name] != digest] == ["hidden_teacher_sha256"]


def test_finished_run_is_not_handed_out_for_other_development_labels(
    encoder: Path, posts: Path, tmp_path: Path
) -> None:
    dev = tmp_path / "dev.jsonl"
    write_posts(dev, random.Random(8), 30)
    train(short(encoder, posts), [dev], tmp_path / "out")
    write_posts(dev, random.Random(9), 30)
    with pytest.raises(Fatal, match=r"another recipe \(dev_sha256"):
        train(short(encoder, posts), [dev], tmp_path / "out")


def test_experiment_does_not_begin_before_its_encoders_are_there(encoder: Path, posts: Path, tmp_path: Path) -> None:
    dev = tmp_path / "dev.jsonl"
    write_posts(dev, random.Random(8), 30)
    what = Ablation(50, seeds=1, only=(), also=(f"encoder={tmp_path / 'later'}",))
    with pytest.raises(Fatal, match=r"later: no encoder directory"):
        ablate(short(encoder, posts), [dev], tmp_path / "out", what)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["train --train {posts}", "pretrain --steps 1 --max-length 32 --texts {posts}"])
@pytest.mark.parametrize(
    ("harm", "message"), [(deepen, "lacks 16 weights of the encoder"), (widen, "cannot be read as an ELECTRA encoder")]
)
def test_encoder_whose_weights_are_not_its_configurations_is_refused(
    mine: Path,
    posts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    harm: Callable[[Path], None],
    message: str,
) -> None:
    harm(mine)
    arguments = command.format(posts=posts).split()
    assert main([*arguments, "--encoder", str(mine), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err


def test_classifier_without_its_head_is_refused(classifier: Path, tmp_path: Path) -> None:
    path = shutil.copytree(classifier, tmp_path / "classifier")
    head = load_file(path / HEAD)
    save_file({name: tensor for name, tensor in head.items() if "bias" not in name}, path / HEAD)
    with pytest.raises(Fatal, match=r"(?s)not a trained classifier of this version: .*Missing key.*out\.bias"):
        Classifier.load(path)


def test_classifier_of_another_vocabulary_is_refused(classifier: Path, tmp_path: Path) -> None:
    path = shutil.copytree(classifier, tmp_path / "classifier")
    tokenizer = path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"##ing":', '"##ing": 4000, "##ign":'))
    with pytest.raises(Fatal, match="do not belong together"):
        Classifier.load(path)


def test_development_posts_that_decide_nothing_are_refused_where_they_would(
    encoder: Path, posts: Path, tmp_path: Path
) -> None:
    dev = tmp_path / "same.dev.jsonl"
    rows = [{"id": str(n), "text": f"a {n}", "labels": {"hate": 0, "offensive": None}} for n in range(20)]
    reported = next(row for row in rows if half_of(str(row["id"])) == "report")
    reported["labels"] = {"hate": 1, "offensive": None}  # so that the file knows both values, but only one half does
    selected = next(row for row in rows if half_of(str(row["id"])) == "selection")
    selected["labels"] = {"hate": 0.4, "offensive": None}  # which counts as 0
    dev.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = short(encoder, posts)
    message = r"same\.dev\.jsonl: no file has a label with both values in its selection half"
    with pytest.raises(Fatal, match=message):
        train(replace(recipe, patience=1), [dev], tmp_path / "train")
    with pytest.raises(Fatal, match=message):
        ablate(recipe, [dev], tmp_path / "ablation", Ablation(50, only=()))
    with pytest.raises(Fatal, match=message):
        search(recipe, [dev], tmp_path / "search", Search(()))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert train(recipe, [dev], tmp_path / "out")["epochs"][0]["mean"] is None
