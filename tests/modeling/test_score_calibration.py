from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from worker.modeling.evaluation.metrics import pooled_error
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.export.score_calibration import Platt, calibrated, fit_platt, fold
from worker.modeling.posts.examples import Example
from worker.modeling.training.network import Classifier

STRAIGHT = Platt()


def drawn(name: str, count: int, seed: int, line: Platt = STRAIGHT) -> ScoredSet:
    """Posts of one label whose truth is drawn with the probability that a score on `line` would mean."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 2, count)
    truth = draw.random(count) < expit(logits)
    scores = expit((logits - line.intercept) / line.slope).astype(np.float32)
    examples = tuple(Example(str(i), "text", (float(value),), name) for i, value in enumerate(truth))
    return ScoredSet(name, examples, tuple((float(score),) for score in scores))


def test_overconfident_scores_become_calibrated() -> None:
    wrong = Platt(slope=0.4, intercept=1.0)
    sets = [drawn("a", 8000, 0, wrong)]
    (found,), warnings = fit_platt(sets, ["hate"])
    assert found.slope == pytest.approx(0.4, abs=0.03)
    assert found.intercept == pytest.approx(1.0, abs=0.08)
    assert warnings == []
    before, after = pooled_error(sets, 0), pooled_error([calibrated(sets[0], [found])], 0)
    assert before is not None
    assert before > 0.1
    assert after is not None
    assert after < 0.02


def test_large_set_counts_no_more_than_a_small_one() -> None:
    small, large = drawn("small", 1000, 1, Platt(intercept=1.5)), drawn("large", 20_000, 2, Platt(intercept=-1.5))
    (found,), _ = fit_platt([small, large], ["hate"])
    assert found.intercept == pytest.approx(0, abs=0.15)


def test_pooled_error_gives_every_set_the_same_weight() -> None:
    def certain(name: str, count: int, truth: float) -> ScoredSet:
        labels = [1 - truth, *([truth] * (count - 1))]
        return ScoredSet(name, tuple(Example("x", "t", (v,), name) for v in labels), ((0.99,),) * count)

    found = pooled_error([certain("right", 10_000, 1.0), certain("wrong", 100, 0.0)], 0)
    assert found == pytest.approx(0.5, abs=0.02)


def test_label_that_too_few_posts_know_is_left_alone_and_said_so() -> None:
    unknown = ScoredSet("a", (Example("1", "t", (None,), "a"), Example("2", "t", (1.0,), "a")), ((0.2,), (0.9,)))
    lines, warnings = fit_platt([unknown], ["hate"])
    assert lines == (Platt(),)
    assert warnings == [
        "hate: scores are not calibrated: the halves to choose with hold 0 posts of its rarer value, 30 are needed"
    ]
    assert pooled_error([unknown], 0) is None


def test_scores_that_fall_with_the_truth_are_not_turned_round() -> None:
    (found,), warnings = fit_platt([drawn("a", 2000, 3, Platt(slope=-1.0))], ["hate"])
    assert found == Platt()
    assert "do not rise with the truth" in warnings[0]


def test_certain_scores_and_separable_posts_give_finite_lines() -> None:
    labels = [0.0, 1.0] * 30
    examples = tuple(Example(str(i), "t", (value,), "a") for i, value in enumerate(labels))
    (found,), _ = fit_platt([ScoredSet("a", examples, tuple((value,) for value in labels))], ["hate"])
    assert 0 < found.slope < 10


def test_folding_moves_logits_along_the_lines_and_commutes_with_the_highest_window(classifier: Path) -> None:
    model = Classifier.load(classifier)
    lines = [Platt(0.3, -1.25), Platt(2.5, 0.5)]
    rows = torch.tensor([[2, 9, 10, 3], [2, 30, 31, 3], [2, 50, 60, 3]])
    mask = torch.ones_like(rows)
    with torch.no_grad():
        before, after = model(rows, mask), fold(model, lines)(rows, mask)
    torch.testing.assert_close(after, before * torch.tensor([0.3, 2.5]) + torch.tensor([-1.25, 0.5]))
    pooled = ScoredSet("a", (Example("1", "t", (0.0, 0.0), "a"),), (tuple(before.max(0).values.sigmoid().tolist()),))
    torch.testing.assert_close(torch.tensor(calibrated(pooled, lines).scores[0]), after.max(0).values.sigmoid())
