"""What cannot be exported is refused before anything is computed, by a line that names the option."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.modeling.test_export import job
from worker.core.errors import Fatal
from worker.modeling.export.run import export
from worker.modeling.training import network


def test_int8_without_calibration_posts_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="--calibration"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), calibration=()))


def test_blocking_without_posts_to_choose_the_score_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"--block: .* give --dev"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), may_block=("hate",), dev=()))


def test_directory_that_is_no_classifier_is_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"classifier\.json"):
        export(job(encoder, posts, tmp_path))


@pytest.mark.parametrize("change", [{"overlap": 30}, {"name": "two words"}, {"version": ""}])
def test_manifest_that_cannot_be_is_refused_before_anything_is_computed(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.setattr("worker.modeling.export.run.quantized", None)
    with pytest.raises(Fatal, match=rf"the manifest would be wrong: .*\n.*{next(iter(change))}"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), **change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"smoothing": (0.0, 1.5)}, "--smoothing 0.0 1.5: give strengths from 0"),
        ({"smoothing": ()}, "--smoothing : give strengths"),
        ({"percentile": 50.0}, "--percentile 50.0"),
        ({"quantization": "fp32", "quantize_aware": 5}, "--quantize-aware is about int8"),
    ],
)
def test_strengths_and_shares_that_cannot_be_are_refused(
    classifier: Path, posts: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(Fatal, match=said):
        export(dataclasses.replace(job(classifier, posts, tmp_path), **change))


def test_development_posts_are_told_apart_before_anything_is_computed(
    classifier: Path, posts: Path, tmp_path: Path
) -> None:
    twice = tmp_path / "twice.jsonl"
    twice.write_text(posts.read_text() + posts.read_text())
    with pytest.raises(Fatal, match=r"--dev: .*twice\.jsonl:\d+: the id of line 1 again"):
        export(dataclasses.replace(job(classifier, posts, tmp_path / "out"), dev=(twice,)))
    with pytest.raises(Fatal, match=r"--dev: two files are called posts\.jsonl"):
        export(dataclasses.replace(job(classifier, posts, tmp_path / "out"), dev=(posts, posts)))


def test_empty_file_is_told_before_anything_is_computed(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.modeling.export.run.quantized", None)
    (tmp_path / "typical.txt").touch()
    wanted = dataclasses.replace(job(classifier, posts, tmp_path / "out"), typical=(tmp_path / "typical.txt",))
    with pytest.raises(Fatal, match=r"typical\.txt: holds no text"):
        export(wanted)


def test_lstm_head_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    copy = tmp_path / "classifier"
    shutil.copytree(classifier, copy)
    trained = network.Classifier.load(copy)
    trained.config = dataclasses.replace(trained.config, head="lstm")
    with pytest.raises(Fatal, match=r"head of the kind 'lstm'.*\[CLS\] head"):
        job(copy, posts, tmp_path / "out").check(trained)
