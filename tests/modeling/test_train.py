import dataclasses
import json
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from string import ascii_lowercase
from typing import Any

import pytest
import torch

from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.modeling.training.losses import Loss
from worker.modeling.training.network import Classifier
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import Metrics, kept_epoch, train


def recipe(encoder: Path, posts: Path) -> Recipe:
    return Recipe(str(encoder), (str(posts),), epochs=2, batch_size=8, max_length=32, learning_rate=1e-3)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dev") / "dev.jsonl"
    write_posts(path, random.Random(8), 90)
    return path


@pytest.fixture(scope="module")
def learnable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Posts to train on and posts held out: one word decides each label, whatever the others and however many."""
    folder, draw = tmp_path_factory.mktemp("learnable"), random.Random(3)
    for name, count in (("made.train.jsonl", 240), ("made.dev.jsonl", 400)):
        with (folder / name).open("w") as file:
            for number in range(count):
                labels = {"hate": draw.randrange(2), "offensive": draw.randrange(2)}
                words = ["bad"] * labels["hate"] + ["the"] * labels["offensive"]
                words += draw.choices(ascii_lowercase, k=draw.randrange(5, 12) - len(words))
                draw.shuffle(words)
                file.write(json.dumps({"id": str(number), "text": " ".join(words), "labels": labels}) + "\n")
    return folder / "made.train.jsonl", folder / "made.dev.jsonl"


def held_out(metrics: dict[str, Any]) -> float:
    """Mean AUROC of both labels on both halves, after the last epoch."""
    last = metrics["epochs"][-1]
    return fmean(area for half in ("selection", "report") for area in last[half]["made.dev.jsonl"].values())


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


@pytest.mark.parametrize("patience", [0, 1])
def test_what_is_said_of_a_run_is_of_the_weights_it_keeps(patience: int) -> None:
    epochs = [{"mean": mean} for mean in (0.6, None, 0.8, 0.7)]
    kept = kept_epoch(epochs, Recipe("encoder", (), patience=patience))
    assert kept["mean"] == (0.8 if patience else 0.7)


@pytest.mark.parametrize(("average", "told"), [(0.999, True), (0.5, False), (0.0, False)])
def test_mean_that_is_mostly_of_the_first_weights_is_told(
    encoder: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], average: float, told: bool
) -> None:
    train(dataclasses.replace(recipe(encoder, posts), average=average), [], tmp_path / "out")
    found = re.search(r"of the mean are the weights of the first: (\S+) would", capsys.readouterr().out)
    assert (found is not None) == told
    if found:
        train(dataclasses.replace(recipe(encoder, posts), average=float(found[1])), [], tmp_path / "again")
        assert "of the mean are" not in capsys.readouterr().out


@pytest.mark.parametrize("steps", [5, 17])
def test_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    encoder: Path, posts: Path, dev: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    whole = train(recipe(encoder, posts), [dev], tmp_path / "whole")
    with monkeypatch.context() as patched:
        stop_after(patched, steps)
        with pytest.raises(KeyboardInterrupt):
            train(recipe(encoder, posts), [dev], tmp_path / "parts", checkpoint_seconds=0)
    told: list[int] = []
    parts = train(recipe(encoder, posts), [dev], tmp_path / "parts", report=lambda history: told.append(len(history)))

    assert told
    assert told == [*range(len(whole["epochs"]) + 1 - len(told), len(whole["epochs"]) + 1)]  # those before are counted
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert parts["epochs"] == whole["epochs"]


def test_checkpoint_from_before_an_option_was_there_goes_on(encoder: Path, posts: Path, tmp_path: Path) -> None:
    chosen = recipe(encoder, posts)
    train(chosen, [], tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    older = {name: value for name, value in json.loads(state["recipe"]).items() if name != "source_offsets"}
    torch.save(state | {"recipe": json.dumps(older)}, tmp_path / "checkpoint.pt")
    train(chosen, [], tmp_path)
    torch.save(state | {"recipe": json.dumps(older)}, tmp_path / "checkpoint.pt")
    with pytest.raises(Fatal, match=r"another recipe \(source_offsets\)"):
        train(dataclasses.replace(chosen, source_offsets={"posts:hate": 1.0}), [], tmp_path)


def test_checkpoint_of_another_recipe_or_other_posts_is_refused_and_the_result_stays(
    encoder: Path, posts: Path, dev: Path, tmp_path: Path
) -> None:
    mine, out = tmp_path / "mine.jsonl", tmp_path / "out"
    mine.write_bytes(posts.read_bytes())
    train(recipe(encoder, mine), [], out)
    other = dataclasses.replace(recipe(encoder, mine), seed=1)
    with pytest.raises(Fatal, match=r"another recipe \(seed\); remove it or choose another --out"):
        train(other, [], out)
    with pytest.raises(Fatal, match=r"another recipe \(dev.*\)"):
        train(recipe(encoder, mine), [dev], out)
    lines = mine.read_text().splitlines()
    label = lines[0].replace('"hate": 0', '"hate": 1') if '"hate": 0' in lines[0] else lines[0].replace("1", "0")
    for changed in (
        [lines[1], lines[0], *lines[2:]],
        [lines[0].replace("the", "teh"), *lines[1:]],
        [label, *lines[1:]],
    ):
        assert changed != lines
        mine.write_text("\n".join(changed) + "\n")
        with pytest.raises(Fatal, match=r"another recipe \(posts_sha256\)"):
            train(recipe(encoder, mine), [], out)
    assert (out / "metrics.json").exists()


def test_posts_that_are_also_in_a_development_file_are_not_trained_on(
    encoder: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in posts.read_text().splitlines()]
    copies = [{**row, "id": f"copy-{row['id']}", "text": f" {row['text'].upper()}\u200b"} for row in rows[3:7]]
    known = {" ".join(row["text"].split()) for row in rows[3:7]}
    expected = sum(row["text"] in known for row in rows)
    dev = tmp_path / "dev.jsonl"
    dev.write_text("".join(json.dumps(row) + "\n" for row in copies))
    assert train(dataclasses.replace(recipe(encoder, posts), epochs=1), [dev], tmp_path)["posts"] == 90 - expected
    assert f"left out {expected} training posts that are also in --dev\n" in capsys.readouterr().out
    with pytest.raises(Fatal, match="--fold and --dev leave none of the posts of --train"):
        train(recipe(encoder, posts), [posts], tmp_path / "none")


def test_two_development_files_of_one_name_are_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"--dev: two files are called posts\.jsonl"):
        train(recipe(encoder, posts), [posts, posts], tmp_path)


def test_directory_that_another_run_writes_to_is_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    told = []

    def again(history: Sequence[Metrics]) -> None:
        with pytest.raises(Fatal, match="another run writes to it"):
            train(recipe(encoder, posts), [], tmp_path)
        told.append(len(history))

    train(dataclasses.replace(recipe(encoder, posts), epochs=1), [], tmp_path, report=again)
    assert told == [1]


def test_training_that_diverges_ends_before_it_spoils_its_checkpoint(
    encoder: Path, posts: Path, tmp_path: Path
) -> None:
    with pytest.raises(Fatal, match=r"the loss is (nan|inf) at step \d+: .* --learning-rate"):
        train(dataclasses.replace(recipe(encoder, posts), learning_rate=1e30), [], tmp_path, checkpoint_seconds=0)
    assert not (tmp_path / "metrics.json").exists()
    for tensor in torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"].values():
        assert not tensor.isnan().any()


def test_out_that_is_a_file_is_named(encoder: Path, posts: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(Fatal, match=r"--out .*out: cannot be written"):
        train(recipe(encoder, posts), [], tmp_path / "out")


def test_posts_longer_than_the_encoder_reads_are_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"--max-length 33: .* has 32 positions"):
        train(dataclasses.replace(recipe(encoder, posts), max_length=33), [], tmp_path)


def test_hidden_states_of_another_vocabulary_are_refused(
    encoder: Path, classifier: Path, posts: Path, tmp_path: Path
) -> None:
    teacher = tmp_path / "teacher"
    Classifier.load(classifier).save(teacher, classifier / "tokenizer.json")
    alike = dataclasses.replace(recipe(encoder, posts), epochs=1, hidden_teacher=str(teacher), hidden_weight=1.0)
    train(alike, [], tmp_path / "alike")
    file = teacher / "tokenizer.json"
    vocabulary = json.loads(file.read_text())
    pieces = vocabulary["model"]["vocab"]
    pieces["good"], pieces["bad"] = pieces["bad"], pieces["good"]
    file.write_text(json.dumps(vocabulary))
    with pytest.raises(Fatal, match=r"--hidden-weight: .*teacher has another vocabulary"):
        train(alike, [], tmp_path / "out")


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


def test_held_out_posts_are_told_apart_and_with_shuffled_labels_by_chance_alone(
    encoder: Path, learnable: tuple[Path, Path], tmp_path: Path
) -> None:
    """The control: a classifier that beats chance with shuffled labels reads labels where it must not."""
    posts, dev = learnable
    true = dataclasses.replace(recipe(encoder, posts), epochs=3, learning_rate=4e-3)
    assert held_out(train(true, [dev], tmp_path / "true")) > 0.9
    shuffled = [dataclasses.replace(true, shuffle_labels=True, seed=seed) for seed in range(8)]
    areas = [held_out(train(each, [dev], tmp_path / str(each.seed))) for each in shuffled]
    assert abs(fmean(areas) - 0.5) < 0.1  # a single draw of labels may favour the word that decides


@pytest.mark.parametrize("options", [{"head": "lstm"}, {"average": 0.5}, {"source_heads": 0.5}, {"layer_decay": 0.8}])
def test_each_way_of_training_learns_and_is_read_back(
    encoder: Path, learnable: tuple[Path, Path], tmp_path: Path, options: dict[str, Any]
) -> None:
    posts, dev = learnable
    longer = dataclasses.replace(recipe(encoder, posts), epochs=5, learning_rate=4e-3, **options)
    assert held_out(train(longer, [dev], tmp_path)) > 0.85
    model = Classifier.load(tmp_path)
    assert model.config.head == longer.head
    assert model.config.source_labels == ({"made": longer.labels} if longer.source_heads else {})
    assert model.config.sources == tuple(model.config.source_labels)


def test_training_stops_when_it_no_longer_gets_better_and_keeps_the_best(
    encoder: Path, posts: Path, dev: Path, tmp_path: Path
) -> None:
    hopeless = dataclasses.replace(recipe(encoder, posts), epochs=9, patience=1, learning_rate=1e-9)
    epochs = train(hopeless, [dev], tmp_path)["epochs"]
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


def test_weights_file_that_was_cut_is_named(encoder: Path, posts: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(encoder, cut)
    (cut / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(Fatal, match="cut: cannot be read as an ELECTRA encoder"):
        train(recipe(cut, posts), [], tmp_path / "out")
