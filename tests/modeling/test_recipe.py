"""Recipes that no training could follow are refused before anything is read."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.commands.training_options import add_training_options, read_recipe
from worker.modeling.training.recipe import Recipe

DEV = (Path("dev.jsonl"),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ("hate", "hate")}, "--labels"),
        ({"epochs": 0}, "--epochs 0"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"max_length": 2}, "--max-length 2"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"layer_decay": 0.0}, "--layer-decay"),
        ({"dropout": 1.0}, "--dropout"),
        ({"encoder_dropout": -0.1}, "--encoder-dropout"),
        ({"warmup": 1.0}, "--warmup 1.0: must be a share of the steps"),
        ({"warmup": -0.1}, "--warmup"),
        ({"average": 1.0}, "--average"),
        ({"average": -0.5}, "--average"),
        ({"patience": -1}, "--patience"),
        ({"folds": 1}, "--folds 1"),
        ({"fold": 2, "folds": 2}, "--fold 2: must be from 0 to below --folds 2"),
        ({"fold": -1}, "--fold -1"),
        ({"teacher_weight": 1.5}, "--teacher-weight"),
        ({"tfidf_shares": {"hate": 1.5}, "teacher_scores": "s.npz"}, "--tfidf-share hate=1.5: .* from 0 to 1"),
        ({"tfidf_shares": {"hate": 0.5}}, "--tfidf-share hate=0.5: .* beside other teachers' scores"),
        ({"weight_decay": -1.0}, "--weight-decay"),
        ({"source_heads": -1.0}, "--source-heads"),
        ({"source_priors": 1.5}, "--source-priors 1.5: must be from 0 to 1"),
        ({"pair_weight": -1.0}, "--pair-weight"),
        ({"pair_margin": -1.0}, "--pair-margin"),
        ({"explanation_weight": float("inf")}, "--explanation-weight"),
        ({"hidden_weight": -1.0}, "--hidden-weight"),
    ],
)
def test_recipe_that_cannot_be_followed_is_refused_by_its_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Fatal, match=message):
        Recipe("encoder", ("posts.jsonl",), **options).check(DEV)


def test_patience_is_refused_without_development_files() -> None:
    patient = Recipe("encoder", ("posts.jsonl",), patience=1, fold=1)
    patient.check(DEV)
    with pytest.raises(Fatal, match="--patience 1: must be 0, or more with --dev"):
        patient.check(())


@pytest.mark.parametrize("command", ["train", "distill --scores {scores}", "tune --dev dev", "ablate --dev dev"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--fold 2 --folds 2", "--fold 2: must be from 0 to below --folds 2"),
        ("--normalise emoji", "--normalise: normalisation: emoji is keep or names"),
    ],
)
def test_every_command_that_trains_refuses_before_it_reads(
    command: str, options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"{command} --encoder none --train none --out {tmp_path}/out {options}".format(scores=tmp_path / "s.npz")
    assert main(given.split()) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "offset", ["davidson=-1", "davidson:=1", ":hate=1", "davidson:hate=", "davidson:hate=x", "a:b=inf"]
)
def test_source_offset_that_is_none_is_refused(offset: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--encoder", "none", "--train", "none", "--out", "none", "--source-offset", offset])
    assert "expected SOURCE:LABEL=LOGITS" in capsys.readouterr().err


def test_source_offsets_reach_the_recipe() -> None:
    parser = argparse.ArgumentParser()
    add_training_options(parser)
    given = ["--encoder", "e", "--train", "t", "--out", "o", "--source-offset", "a:hate=-1", "a:b:offensive=0.5"]
    assert read_recipe(parser.parse_args(given)).source_offsets == {"a:hate": -1.0, "a:b:offensive": 0.5}


@pytest.mark.parametrize("weight", ["davidson", "=0.5", "davidson=", "davidson=abc", "davidson=-1", "davidson=inf"])
@pytest.mark.parametrize("option", ["--source-weight", "--positive-weight"])
def test_weight_that_is_none_is_refused(option: str, weight: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(f"train --encoder e --train t --out o {option} {weight}".split())
    assert f"{weight!r}: expected NAME=WEIGHT" in capsys.readouterr().err
