import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from worker.core.errors import Fatal
from worker.modeling.training.losses import Loss
from worker.modeling.training.network import Classifier
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import train


def recipe(encoder: Path, posts: Path) -> Recipe:
    return Recipe(str(encoder), (str(posts),), epochs=2, batch_size=8, max_length=32, learning_rate=1e-3)


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return dict(Classifier.load(directory).state_dict())


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Interrupt training as Ctrl-C would, after so many steps."""
    compute, done = Loss.__call__, 0

    def loss(*arguments: Any) -> torch.Tensor:
        nonlocal done
        if done == steps:
            raise KeyboardInterrupt
        done += 1
        return compute(*arguments)

    monkeypatch.setattr(Loss, "__call__", loss)


@pytest.mark.parametrize("steps", [5, 17])
def test_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    encoder: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    whole = train(recipe(encoder, posts), [posts], tmp_path / "whole")
    with monkeypatch.context() as patched:
        stop_after(patched, steps)
        with pytest.raises(KeyboardInterrupt):
            train(recipe(encoder, posts), [posts], tmp_path / "parts", checkpoint_seconds=0)
    parts = train(recipe(encoder, posts), [posts], tmp_path / "parts")

    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert parts["epochs"] == whole["epochs"]


def test_training_learns(encoder: Path, posts: Path, tmp_path: Path) -> None:
    longer = dataclasses.replace(recipe(encoder, posts), epochs=12, learning_rate=5e-3)
    epochs = train(longer, [posts], tmp_path)["epochs"]
    assert epochs[-1]["report"]["posts.jsonl"]["hate"] > 0.9


def test_checkpoint_of_another_recipe_is_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    train(recipe(encoder, posts), [], tmp_path)
    other = dataclasses.replace(recipe(encoder, posts), seed=1)
    with pytest.raises(Fatal, match="another recipe"):
        train(other, [], tmp_path)


def test_training_without_posts_is_refused(encoder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(Fatal, match=r"empty\.jsonl: holds no posts"):
        train(recipe(encoder, empty), [], tmp_path / "out")


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "1"}', '{"id": "1", "text": "a", "labels": 3}'])
def test_line_that_is_no_labelled_post_is_named(encoder: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_text(f'{{"id": "0", "text": "a", "labels": {{"hate": 1}}}}\n{line}\n')
    with pytest.raises(Fatal, match=r"posts\.jsonl:2"):
        train(recipe(encoder, file), [], tmp_path / "out")


def test_shuffled_labels_leave_nothing_to_learn(encoder: Path, posts: Path, tmp_path: Path) -> None:
    """The control: a classifier that beats chance here reads labels where it must not."""
    shuffled = dataclasses.replace(recipe(encoder, posts), epochs=12, learning_rate=5e-3, shuffle_labels=True)
    learnt = train(shuffled, [posts], tmp_path)["epochs"][-1]
    scores = [learnt[half]["posts.jsonl"]["hate"] for half in ("selection", "report")]
    assert sum(scores) / 2 < 0.75  # 90 posts: chance lies within .5 ± .15


@pytest.mark.parametrize("options", [{"head": "lstm"}, {"average": 0.5}, {"source_heads": 0.5}, {"layer_decay": 0.8}])
def test_each_way_of_training_learns_and_is_read_back(
    encoder: Path, posts: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    longer = dataclasses.replace(recipe(encoder, posts), epochs=8, learning_rate=5e-3, **options)
    epochs = train(longer, [posts], tmp_path)["epochs"]
    assert epochs[-1]["report"]["posts.jsonl"]["hate"] > 0.85
    model = Classifier.load(tmp_path)
    assert model.config.head == longer.head
    assert model.config.sources == (("posts",) if longer.source_heads else ())


def test_training_stops_when_it_no_longer_gets_better_and_keeps_the_best(
    encoder: Path, posts: Path, tmp_path: Path
) -> None:
    hopeless = dataclasses.replace(recipe(encoder, posts), epochs=9, patience=1, learning_rate=1e-9)
    epochs = train(hopeless, [posts], tmp_path)["epochs"]
    assert len(epochs) < 9
    assert epochs[-1]["mean"] <= max(m["mean"] for m in epochs[:-1])
    stored = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(stored["out.weight"], weights(tmp_path)["out.weight"])


def test_vocabulary_that_does_not_fit_the_encoder_is_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    for file in encoder.iterdir():
        (tmp_path / "encoder" / file.name).write_bytes(file.read_bytes())
    tokenizer = tmp_path / "encoder" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"##ing":', '"##ing": 4000, "##ign":'))
    with pytest.raises(Fatal, match="do not belong together"):
        train(recipe(tmp_path / "encoder", posts), [], tmp_path / "out")


def test_label_with_one_value_everywhere_is_refused(encoder: Path, tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_text(
        '{"id": "0", "text": "a", "labels": {"hate": 1}}\n{"id": "1", "text": "b", "labels": {"hate": 0}}\n'
    )
    with pytest.raises(Fatal, match="the label 'offensive' has 0 value"):
        train(recipe(encoder, file), [], tmp_path / "out")
