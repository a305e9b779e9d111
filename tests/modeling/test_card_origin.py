"""What the model card says that a bundle was made from."""

import json
import re
from dataclasses import asdict
from typing import Any

import pytest

from worker.modeling.model_card.about import About
from worker.modeling.model_card.origin import origin
from worker.modeling.model_card.runs import Run
from worker.modeling.training.recipe import Recipe

TOLD = About(encoder="a small one (MIT)", vocabulary="letters (CC0)")
RECIPE = {"train": ["/data/davidson.train.jsonl"], "unlabelled": [], "max_length": 64, "seed": 3, "epochs": 1}
EXACT: dict[str, Any] = {"source": "a-hub-name", "factorised": None, "emoji": []}
LOSSY = {"source": "a-hub-name", "factorised": {"dimensions": 128, "fitted": 0.256}, "emoji": []}


def test_everything_that_was_learnt_from_is_named() -> None:
    recipe = RECIPE | {
        "train": ["/data/davidson.train.jsonl", "/out/augmentation.train.jsonl"],
        "clean": ["/out/reddit-clean.jsonl"],
        "unlabelled": ["/out/reddit.jsonl", "/out/ours.jsonl"],
        "teacher_scores": "/out/teachers.npz",
        "hidden_teacher": "/out/teacher",
        "head": "lstm",
    }
    told = TOLD.model_copy(update={"teachers": "two large ones (MIT)", "data": "`ours.jsonl` holds copies."})
    text = origin(told, [Run(recipe)])
    assert "Taught by: two large ones (MIT)." in text
    assert "an LSTM over the tokens' states" in text
    assert "- `augmentation.train.jsonl`: augmentation (made up by `moderation-model augment`), Apache-2.0" in text
    clean, taught = text.partition("bear no label at all:")[2].split("only the teachers' scores were learnt")
    for part, file in ((clean, "reddit-clean.jsonl"), (taught, "reddit.jsonl")):
        assert f"- `{file}`: [Reddit top 2.5 million](https://" in part
        assert "(umbrae), ODC PDDL" in part
    assert "- `ours.jsonl`\n" in taught
    assert "`ours.jsonl` holds copies." in taught
    assert "only one value in a whole source counts there" in text
    assert "| hidden_teacher | teacher |" in text
    assert "/out" not in text
    assert "/data" not in text


def test_other_teachers_are_told_by_what_sets_them_apart() -> None:
    taught = Run(RECIPE | {"teacher_scores": "a.npz"})
    elsewhere = {"train": ["davidson.train.jsonl"], "source_weights": {"davidson": 2.0}, "clean": ["/o/c.jsonl"]}
    other = Run({**taught.recipe, "seed": 4, **elsewhere})
    text = origin(TOLD, [taught, taught], {"other": other})
    assert "the first training above but for: seed 4, source_weights davidson 2.0, clean c.jsonl." in text
    assert "but for: nothing." in origin(TOLD, [taught], {"other": taught})


def test_training_from_before_an_option_was_there_is_told_from_one_that_chose_it() -> None:
    before: dict[str, Any] = {"teacher_scores": "a.npz"}
    usual, chosen = (before | {"source_offsets": offsets} for offsets in ({}, {"a:hate": -1.0}))
    for first, other, told in (
        (before, usual, "nothing"),
        (before, chosen, "source_offsets a:hate -1.0"),
        (chosen, before, "source_offsets none"),
    ):
        assert f"but for: {told}." in origin(TOLD, [Run(RECIPE | first)], {"other": Run(RECIPE | other)})


def test_options_that_were_left_alone_are_not_told() -> None:
    usual = json.loads(json.dumps(asdict(Recipe(encoder="e", train=("/data/davidson.train.jsonl",)))))
    told = re.findall(r"^\| (\w+) \| .* \|$", origin(TOLD, [Run(usual)]), re.MULTILINE)
    assert set(told) == {"option", "epochs", "learning_rate", "batch_size", "dropout"}


def test_posts_whose_labels_tfidf_learnt_are_told_as_labelled() -> None:
    scored = RECIPE | {"teacher_scores": "a.npz", "teacher_weight": 1, "tfidf_shares": {"hate": 0.5}}
    text = origin(TOLD, [Run(scored)])
    assert "only the teachers' scores were learnt" not in text
    assert "| tfidf_shares | hate 0.5 |" in text


def test_mean_of_trainings_is_told_by_what_sets_them_apart() -> None:
    text = origin(TOLD, [Run(RECIPE, averaged=[RECIPE | {"seed": 7}, RECIPE | {"seed": 8, "epochs": 2}])])
    assert (
        "the mean of those of 3 trainings: of this one, and of others like it but for: seed 7; seed 8, epochs 2" in text
    )
    assert "the mean of those" not in origin(TOLD, [Run(RECIPE)])
    text = origin(TOLD, [Run(RECIPE, averaged=[RECIPE | {"train": ["/o/mhs.train.jsonl"], "teacher_scores": "a.npz"}])])
    assert "- `mhs.train.jsonl`: [Measuring Hate Speech]" in text
    assert "teachers that are not named" in text


def test_teachers_that_nobody_named_are_said_to_be_unnamed_and_none_where_there_were_none() -> None:
    assert "teachers that are not named" in origin(TOLD, [Run(RECIPE | {"teacher_scores": "a.npz"})])
    plain = origin(TOLD, [Run(RECIPE)])
    assert "Taught" not in plain
    assert "no label at all" not in plain
    assert "only one value in a whole source is unknown there" in plain


@pytest.mark.parametrize(
    ("start", "said", "unsaid"),
    [
        (EXACT, "taken weight for weight into an ELECTRA encoder, which computes the same hidden states", "factorised"),
        (LOSSY, "all but its embeddings: those were factorised to 128 dimensions", "the same hidden states"),
        (LOSSY, "of whose energy 26% was lost", "emoji"),
        (EXACT | {"emoji": ["a", "b"]}, "2 emoji took spare rows", "the same hidden states"),
        (None, "The encoder is a small one (MIT).", "weight for weight"),
    ],
)
def test_encoder_is_said_to_be_the_same_where_it_is(start: dict[str, Any] | None, said: str, unsaid: str) -> None:
    text = origin(TOLD, [Run(RECIPE, start)])
    assert said in text
    assert unsaid not in text
