import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.modeling.training import teachers
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.losses import Loss
from worker.modeling.training.network import Classifier, collate, load_encoder
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.training_set import TrainingSet, read_posts, read_training_set


def write(path: Path, *rows: tuple[str, float | None, float | None]) -> Path:
    lines = [
        {"id": str(n), "text": text, "labels": {"hate": hate, "offensive": off}}
        for n, (text, hate, off) in enumerate(rows)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    return write(
        tmp_path / "made.jsonl",
        ("the good women go home in the rain", 0, 0),
        ("the bad women go home in the rain", 1, None),
        ("sun and rain", 0, 1),
        ("jews are good", 0, 0),
    )


def built(encoder: Path, recipe: Recipe, teacher: Classifier | None = None) -> tuple[Classifier, TrainingSet, Loss]:
    data = read_training_set(recipe, Tokenizer.from_file(str(encoder / "tokenizer.json")))
    torch.manual_seed(0)
    sources = data.sources if recipe.source_heads else ()
    model = Classifier(load_encoder(encoder), ClassifierConfig(recipe.labels, 32, sources=sources), dropout=0.0)
    return model, data, Loss(model, data, recipe, teacher)


def recipe(encoder: Path, posts: Path, **options: Any) -> Recipe:
    return Recipe(str(encoder), (str(posts),), max_length=32, **options)


def test_unknown_label_teaches_nothing(encoder: Path, posts: Path) -> None:
    model, _, loss = built(encoder, recipe(encoder, posts))
    loss([1]).backward()  # type: ignore[no-untyped-call]
    assert model.out.weight.grad is not None
    assert model.out.weight.grad[0].abs().sum() > 0
    assert model.out.weight.grad[1].abs().sum() == 0


def test_weights_of_sources_and_positives_scale_what_is_learnt(encoder: Path, posts: Path) -> None:
    chosen = recipe(encoder, posts, source_weights={"made": 3.0}, positive_weights={"hate": 2.0})
    _, data, _ = built(encoder, chosen)
    assert data.weights[:, 0].tolist() == [3, 6, 3, 3]
    assert data.weights[1, 1] == 0


@pytest.mark.parametrize(
    "weights",
    [
        {"source_weights": {"hate": 2.0}},
        {"positive_weights": {"made": 2.0}},
        {"source_offsets": {"made:mars": 1.0}},
        {"source_offsets": {"mars:hate": 1.0}},
    ],
)
def test_weight_of_no_such_source_or_label_is_refused(encoder: Path, posts: Path, weights: dict[str, Any]) -> None:
    with pytest.raises(
        Fatal,
        match=r"-(weight|offset) (hate: .* there are made|made: .* there are hate, offensive|.*mars.*: .* there are made:hate, made:offensive)$",
    ):
        built(encoder, recipe(encoder, posts, **weights))


def test_twins_are_pushed_apart_until_the_margin(encoder: Path, posts: Path) -> None:
    model, data, loss = built(encoder, recipe(encoder, posts, pair_weight=1.0, pair_margin=2.0))
    assert data.pairs == [(1, 0)]
    _, _, plain = built(encoder, recipe(encoder, posts))
    plain._model = model
    with torch.no_grad():
        apart = loss([0, 1]) - plain([0, 1])
        assert 0 < apart < 4
        assert loss([0, 2]) == plain([0, 2])  # no twins in this batch


def test_identity_terms_alone_are_regularised(encoder: Path, posts: Path) -> None:
    model, data, loss = built(encoder, recipe(encoder, posts, explanation_weight=1.0))
    assert set(data.occluded) == {0, 1, 3}
    assert all(len(data.occluded[i]) < len(data.rows[i]) for i in data.occluded)
    _, _, plain = built(encoder, recipe(encoder, posts))
    plain._model = model
    with torch.no_grad():
        assert loss([0, 2]) > plain([0, 2])
        assert loss([2]) == plain([2])


def test_every_identity_term_of_a_post_is_left_out(encoder: Path, tmp_path: Path) -> None:
    posts = write(tmp_path / "named.jsonl", ("jews and black women and rain", 0, 0), ("and and rain", 1, 1))
    _, data, _ = built(encoder, recipe(encoder, posts, explanation_weight=1.0))
    assert data.occluded == {0: data.rows[1]}


def test_dropout_is_no_contribution(encoder: Path, posts: Path) -> None:
    model, data, loss = built(encoder, recipe(encoder, posts, explanation_weight=1.0))
    data.occluded[0] = data.rows[0]  # as if leaving the term out changed nothing
    model.dropout.p = 0.5
    features = model.features(model.states(*collate([data.rows[0]])), collate([data.rows[0]])[1])
    with torch.no_grad():
        assert float(loss._contribution([0], features)) == pytest.approx(0.0, abs=1e-6)


def test_own_head_of_a_source_learns_its_labels_beside_the_common_one(encoder: Path, posts: Path) -> None:
    model, _, loss = built(encoder, recipe(encoder, posts, source_heads=0.5))
    loss([0, 1, 2]).backward()  # type: ignore[no-untyped-call]
    assert model.sources is not None
    assert model.sources.weight.grad is not None
    assert model.sources.weight.grad.abs().sum() > 0


def test_labels_of_a_source_are_those_it_has_both_values_of(encoder: Path, posts: Path, tmp_path: Path) -> None:
    graver = write(
        tmp_path / "graver.jsonl", ("rain and the sun", 1, None), ("the sun", 0, None), ("the rain", 1, None)
    )
    chosen = dataclasses.replace(recipe(encoder, posts), train=(str(posts), str(graver)))
    _, data, _ = built(encoder, chosen)
    assert data.labels_of_sources(chosen.labels) == {"made": ("hate", "offensive"), "graver": ("hate",)}
    always = write(tmp_path / "always.jsonl", ("rain and the sun", 1, 1), ("the sun", 0, 1))
    clean = write(tmp_path / "clean.jsonl", ("the home", 0, 0))  # with it, `offensive` is known of the others too
    chosen = dataclasses.replace(chosen, train=(str(posts), str(always)), clean=(str(clean),))
    _, data, _ = built(encoder, chosen)
    assert data.labels_of_sources(chosen.labels) == {"made": ("hate", "offensive"), "always": ("hate",), "clean": ()}


def test_log_odds_are_of_each_source_and_its_copies_less_those_of_all(
    encoder: Path, posts: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.jsonl", ("rain and the sun", 1, 1), ("the sun", 1, 0), ("the rain", 1, 0))
    copy = tmp_path / "copies.jsonl"
    rows = ({"id": "c", "text": "the women", "source": "made"}, {"id": "d", "text": "the men"})
    copy.write_text("".join(json.dumps(row) + "\n" for row in rows))
    clean = write(tmp_path / "clean.jsonl", ("the home", 0, 0))  # with it, the other's hate is known, and always there
    chosen = recipe(encoder, posts, clean=(str(clean),), unlabelled=(str(copy),), source_priors=0.5)
    _, data, _ = built(encoder, dataclasses.replace(chosen, train=(str(posts), str(other))))
    half = [0.5 * math.log(odds / pooled) for odds, pooled in ((1 / 3, 4 / 4), (1 / 2, 2 / 5))]
    made, others, none = half, [0.0, half[1]], [0.0, 0.0]
    torch.testing.assert_close(data.offsets, torch.tensor([*[made] * 4, *[others] * 3, none, made, none]))


def test_offsets_of_a_source_are_added_to_its_log_odds(encoder: Path, posts: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", ("rain and the sun", 1, 1), ("the sun", 0, 0))
    copy = tmp_path / "copies.jsonl"
    copy.write_text(json.dumps({"id": "c", "text": "the women", "source": "a:b"}) + "\n")
    chosen = recipe(encoder, posts, source_priors=1.0, unlabelled=(str(copy),))
    chosen = dataclasses.replace(chosen, train=(str(posts), str(other)))
    _, plain, _ = built(encoder, chosen)
    offsets = {"other:hate": -1.5, "made:offensive": 0.5, "a:b:hate": 2.0}
    _, data, _ = built(encoder, dataclasses.replace(chosen, source_offsets=offsets))
    added = torch.tensor([*[[0.0, 0.5]] * 4, *[[-1.5, 0.0]] * 2, [2.0, 0.0]])
    torch.testing.assert_close(data.offsets - plain.offsets, added)


@pytest.mark.parametrize("heads", [0.0, 0.5])
def test_log_odds_are_added_in_the_loss_alone(encoder: Path, posts: Path, heads: float) -> None:
    model, data, loss = built(encoder, recipe(encoder, posts, source_heads=heads))
    data.offsets[:] = torch.tensor([-1.5, 0.5])
    _, _, plain = built(encoder, recipe(encoder, posts, source_heads=heads))
    plain._model = model
    with torch.no_grad():
        found = loss([0, 1, 3])
        for layer in (model.out, model.sources):
            if layer is not None:
                layer.bias.add_(data.offsets[0])
        assert float(plain([0, 1, 3])) == pytest.approx(float(found), abs=2e-3)  # of bfloat16, where there is one
        assert float(loss([0, 1, 3])) != pytest.approx(float(found), abs=2e-2)


def test_teacher_is_all_there_is_without_a_label_and_a_share_with_one(
    encoder: Path, classifier: Path, posts: Path, tmp_path: Path
) -> None:
    more = write(tmp_path / "reddit.jsonl", ("rain and sun", None, None))
    chosen = recipe(
        encoder, posts, unlabelled=(str(more),), teacher_scores=str(tmp_path / "s.npz"), teacher_weight=0.25
    )
    examples = read_posts(chosen)
    taught = teachers.score([classifier], examples, tmp_path / "s.npz", chosen.labels).logits_of(examples).sigmoid()
    _, data, _ = built(encoder, dataclasses.replace(chosen, source_weights={"reddit": 2.0}))
    assert data.weights.tolist() == [*[[1, 1]] * 4, [2, 2]]
    torch.testing.assert_close(
        data.targets[1], torch.stack((0.75 + 0.25 * taught[1, 0], taught[1, 1])), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(data.targets[4], taught[4], atol=1e-3, rtol=0)
    assert data.source.tolist() == [0, 0, 0, 0, -1]


def test_student_is_drawn_towards_its_teachers_view_of_which_posts_are_alike(
    encoder: Path, classifier: Path, posts: Path
) -> None:
    teacher = Classifier.load(classifier)
    chosen = recipe(encoder, posts, hidden_weight=1.0)
    model, _, loss = built(encoder, chosen, teacher)
    _, _, plain = built(encoder, dataclasses.replace(chosen, hidden_weight=0.0))
    plain._model = model
    with torch.no_grad():
        assert loss([0, 1, 2]) == plain([0, 1, 2])  # the teacher's encoder is the student's
        for parameter in model.electra.parameters():
            parameter.normal_()
        assert loss([0, 1, 2]) > plain([0, 1, 2])


def test_fold_is_left_out_and_folds_share_no_post(encoder: Path, posts: Path) -> None:
    whole = {e.id for e in read_posts(recipe(encoder, posts))}
    without = [{e.id for e in read_posts(recipe(encoder, posts, fold=n, folds=2, teacher_scores="x"))} for n in (0, 1)]
    assert without[0] | without[1] == whole
    assert not without[0] & without[1]
