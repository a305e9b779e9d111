"""Heads of single sources side by side, and mixtures of them."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.cli import main
from worker.modeling.comparison.heads import COMMON, Judged, compare, markdown, measure
from worker.modeling.posts.examples import Example, read_examples, tokenise
from worker.modeling.training.config import CONFIG
from worker.modeling.training.network import Classifier, collate, predict_heads, predict_logits
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.teachers import score
from worker.modeling.training.train import train

LABELS = ("hate", "offensive")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("dev")
    for seed, source in enumerate(("earth", "mars")):
        write_posts(folder / f"{source}.dev.jsonl", random.Random(seed), 60)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def classifiers(encoder: Path, data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("heads")
    files = [folder / path.name.replace("dev", "train") for path in data]
    for seed, file in enumerate(files):
        write_posts(file, random.Random(seed + 7), 60)
    recipe = Recipe(str(encoder), tuple(map(str, files)), epochs=1, learning_rate=1e-3, max_length=32, source_heads=1.0)
    for seed in range(2):
        train(dataclasses.replace(recipe, seed=seed), [], folder / str(seed))
    train(dataclasses.replace(recipe, source_heads=0.0), [], folder / "headless")
    return [folder / "0", folder / "1", folder / "headless"]


def test_every_head_of_a_post_is_predicted_as_its_own_linear_layer_says(classifiers: list[Path]) -> None:
    model = Classifier.load(classifiers[0])
    rows = [[2, 7, 8, 3], [2, 9, 3], [2, 5, 6, 10, 11, 3]]
    found = predict_heads(model, rows)
    assert found.shape == (3, 3, 2)
    for i, row in enumerate(rows):
        ids, mask = collate([row])
        with torch.no_grad():
            features = model.features(model.states(ids, mask), mask)
            expected = torch.cat([model.out(features), model.sources(features).view(2, 2)])  # type: ignore[misc]
        assert torch.allclose(found[i], expected, atol=0.03)  # bfloat16 where the CPU has it
    assert torch.allclose(predict_logits(model, rows, [1, 0, -1])[0], (found[0, 0] + found[0, 2]) / 2, atol=1e-5)
    assert predict_heads(Classifier.load(classifiers[2]), rows).shape == (3, 1, 2)


def test_head_of_a_source_says_nothing_of_labels_that_it_never_learnt(classifiers: list[Path]) -> None:
    model = Classifier.load(classifiers[0])
    assert model.config.source_labels == {"earth": LABELS, "mars": LABELS}
    model.config = dataclasses.replace(model.config, source_labels={"earth": ("hate",)})
    rows = [[2, 7, 8, 3], [2, 9, 3], [2, 5, 6, 10, 11, 3]]
    heads, found = predict_heads(model, rows), predict_logits(model, rows, [0, 1, -1])
    expected = heads[:, 0].clone()
    expected[0, 0] = (heads[0, 0, 0] + heads[0, 1, 0]) / 2
    torch.testing.assert_close(found, expected)


def test_several_classifiers_speak_with_the_mean_of_their_logits(classifiers: list[Path], data: list[Path]) -> None:
    rows = measure(classifiers[:2], data, "offensive", {})
    assert [row.name for row in rows] == [COMMON, "earth", "mars", "best mean"]
    posts = [post for post in read_examples(data[0], LABELS) if post.labels[1] is not None]
    models = [Classifier.load(path) for path in classifiers[:2]]
    tokens = tokenise(load_tokenizer(classifiers[0] / "tokenizer.json"), posts, 32)
    logits = sum(predict_heads(model, tokens)[:, 2, 1].double() for model in models)
    expected = roc_auc_score([post.labels[1] for post in posts], logits)
    assert rows[2].auroc[data[0].name] == pytest.approx(expected)


def test_best_mixture_is_of_the_heads_that_know_their_own_source() -> None:
    draw = np.random.default_rng(1)
    truth = np.arange(400) % 2 == 1
    noise, told = draw.normal(size=(400, 3)), draw.normal(size=(400, 1)) + 3 * truth[:, None]
    a, b = noise.copy(), noise.copy()
    a[:, [1]], b[:, [2]] = told, told  # each head of a source ranks its posts well, and others' at random
    posts = {"a.jsonl": Judged(truth, a), "b.jsonl": Judged(truth, b)}
    common, first, second, best = compare([COMMON, "a", "b"], posts, {})
    assert first.auroc["a.jsonl"] > 0.95
    assert first.auroc["b.jsonl"] < 0.6
    assert best.mean > max(common.mean, first.mean, second.mean) + 0.1
    assert min(best.weights["a"], best.weights["b"]) > 0.3
    floors = {"a.jsonl": 0.97, "b.jsonl": 0.6}
    rows = compare([COMMON, "a", "b"], posts, floors)
    assert rows[-1].margin(floors) == max(row.margin(floors) for row in rows) > 0 > rows[1].margin(floors)
    assert rows[-1].weights["a"] > rows[-1].weights["b"] > 0
    lines = markdown(rows, floors).splitlines()
    assert lines[2].startswith("| common head |")
    assert lines[3].startswith("| head of a |")
    assert lines[6].startswith(f"| mixture of best margin (+{rows[-1].margin(floors):.4f}): ")
    assert lines[7].startswith("| floor | 0.970 | 0.600 |")


def test_scores_know_which_labels_a_teachers_heads_speak_of(
    classifiers: list[Path], data: list[Path], tmp_path: Path
) -> None:
    posts = [
        Example(str(i), "the sun and the rain", (None, None), source) for i, source in enumerate(("earth", "mars"))
    ]
    teacher, cache = tmp_path / "teacher", tmp_path / "scores.npz"
    shutil.copytree(classifiers[0], teacher)
    config = json.loads((teacher / CONFIG).read_text())

    def say(labels: dict[str, list[str]]) -> None:
        (teacher / CONFIG).write_text(json.dumps(config | {"source_labels": labels}))

    say({"earth": ["hate"], "mars": []})
    earth, mars = score([teacher], posts, cache, LABELS).logits_of(posts)
    assert earth[0] != mars[0]  # one text, and two words on it
    assert earth[1] == mars[1]
    say({"earth": ["hate"], "mars": ["hate"]})
    with pytest.raises(Fatal, match=r"scores of the teachers teacher:.* not of teacher:"):
        score([teacher], posts, cache, LABELS)
    say({})
    with pytest.raises(Fatal, match="trained before a classifier said which labels"):
        score([teacher], posts, tmp_path / "new.npz", LABELS)
    with pytest.raises(Fatal, match="trained before a classifier said which labels"):
        measure([teacher], data, "hate", {})


def test_what_cannot_be_compared_is_refused(classifiers: list[Path], data: list[Path], tmp_path: Path) -> None:
    trained, headless = classifiers[0], classifiers[2]
    with pytest.raises(Fatal, match=r"has no head of earth .* no source; `train --source-heads` makes them"):
        measure([trained, headless], data, "hate", {})
    venus = tmp_path / "venus.dev.jsonl"
    venus.write_bytes(data[0].read_bytes())
    with pytest.raises(Fatal, match=r"has no head of venus .* that learnt hate, but of: earth mars"):
        measure([trained], [venus], "hate", {})
    with pytest.raises(Fatal, match=r"--label 'spam': .* hate offensive"):
        measure([trained], data, "spam", {})
    with pytest.raises(Fatal, match=r"--floors: of venus\.dev\.jsonl, none of which is in --data"):
        measure([trained], data, "hate", {venus.name: 0.5})
    again = tmp_path / data[0].name
    again.write_text('{"id": "0", "text": "a", "labels": {"hate": 1, "offensive": 1}}\n')
    with pytest.raises(Fatal, match="two files are called"):
        measure([trained], [*data, again], "hate", {})
    with pytest.raises(Fatal, match=rf"--data {again}: does not know both values of 'hate'"):
        measure([trained], [again], "hate", {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as what"),
        ('{"half": "all", "beside": [{"file": "a", "label": "hate", "floors": []}]}', "cannot be read as what"),
        ('{"half": "report", "beside": [{}]}', "no floors of all posts"),
        ('{"half": "all", "beside": []}', "no floors of all posts"),
        ('{"half": "all", "beside": [{"file": "a", "label": "spam", "floors": {"x": 0.5}}]}', "has no floor of 'hate'"),
    ],
)
def test_floors_of_another_kind_are_refused(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    floors = tmp_path / "evaluation.json"
    floors.write_text(content)
    assert main(["heads", "--classifier", "c", "--data", "d.jsonl", "--floors", str(floors)]) == 1
    assert message in capsys.readouterr().err


def test_table_is_printed_with_the_best_floor_of_each_file(
    classifiers: list[Path], data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floors = tmp_path / "evaluation.json"
    row = {"file": data[0].name, "label": "hate", "floors": {"mixed": 0.6, "earth": 0.7}}
    floors.write_text(json.dumps({"half": "all", "beside": [row]}))
    command = ["heads", "--classifier", str(classifiers[0]), "--data", *map(str, data), "--floors", str(floors)]
    assert main(command) == 0
    assert "| floor | 0.700 | - |" in capsys.readouterr().out
