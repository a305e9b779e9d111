import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from worker.core.policy import Policy, Threshold
from worker.core.types import Scores
from worker.model.classifier import Classifier
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.export import golden as module
from worker.modeling.export.golden import CANDIDATES, write_golden
from worker.modeling.posts.examples import Example

POLICY = Policy("t", ("hate", "offensive"), (Threshold(0.5), Threshold(0.5)))
NEITHER, OFFENSIVE, NEARLY_NOT = (0.1, 0.1), (0.1, 0.7), (0.51, 0.1)


def written(
    monkeypatch: pytest.MonkeyPatch, path: Path, scores: dict[str, Scores]
) -> tuple[list[list[str]], list[str]]:
    """Labels of each golden post, and warnings, where the texts have these scores and all others `NEITHER`."""

    def score_set(_: Classifier, name: str, examples: Sequence[Example]) -> ScoredSet:
        return ScoredSet(name, tuple(examples), tuple(scores.get(example.text, NEITHER) for example in examples))

    monkeypatch.setattr(module, "score_set", score_set)
    warnings = write_golden(cast(Classifier, None), POLICY, path)
    return [json.loads(line)["labels"] for line in path.read_text().splitlines()], warnings


def test_each_kind_has_a_golden_post(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert written(monkeypatch, tmp_path / "golden", {}) == ([[]] * len(CANDIDATES), [])


def test_decision_that_only_a_second_best_candidate_has_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels, warnings = written(monkeypatch, tmp_path / "golden", {CANDIDATES["insult"][1]: OFFENSIVE})
    assert labels == [[]] * len(CANDIDATES) + [["offensive"]]
    assert not warnings


def test_decision_that_another_cpu_might_not_share_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    labels, warnings = written(monkeypatch, tmp_path / "golden", {CANDIDATES["insult"][1]: NEARLY_NOT})
    assert labels == [[]] * len(CANDIDATES)
    assert not warnings


def test_kind_without_a_clear_candidate_is_left_out_and_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels, warnings = written(monkeypatch, tmp_path / "golden", dict.fromkeys(CANDIDATES["insult"], NEARLY_NOT))
    assert labels == [[]] * (len(CANDIDATES) - 1)
    assert [warning.split(" ", 3)[2:] for warning in warnings] == [
        ["'insult'", "is 0.010 from a threshold, where another CPU may decide otherwise: left out"]
    ]


def test_bundle_without_a_clear_candidate_of_any_kind_keeps_them_and_warns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    every: dict[str, Scores] = {text: NEARLY_NOT for texts in CANDIDATES.values() for text in texts}
    labels, warnings = written(monkeypatch, tmp_path / "golden", every)
    assert labels == [["hate"]] * len(CANDIDATES)
    assert len(warnings) == len(CANDIDATES)
    assert all(warning.endswith("kept, for there is none better") for warning in warnings)
