import random
from collections.abc import Sequence

import pytest

from worker.core.errors import Fatal
from worker.core.policy import Threshold
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.export.parity import Bounds, Parity, check, compare, markdown
from worker.modeling.posts.examples import Example


def scored(scores: Sequence[float], truth: Sequence[int] | None) -> ScoredSet:
    labels: Sequence[int | None] = truth or [None] * len(scores)
    examples = tuple(Example(str(i), "text", (value,), "made-up") for i, value in enumerate(labels))
    return ScoredSet("made-up.jsonl", examples, tuple((score,) for score in scores))


def row(
    before: Sequence[float], after: Sequence[float], truth: Sequence[int] | None = None, review: float = 0.5
) -> Parity:
    return compare(scored(before, truth), scored(after, truth), ["hate"], [Threshold(review)])[0]


def test_flips_are_counted_at_one_half_outside_the_unclear_band_and_at_review() -> None:
    found = row([0.49, 0.51, 0.6, 0.2, 0.9], [0.52, 0.49, 0.4, 0.32, 0.9], review=0.3)
    assert (found.flips, found.clear_flips, found.review_flips) == (0.6, 0.2, 0.2)
    assert found.largest == pytest.approx(0.2)
    assert found.mean == pytest.approx((0.03 + 0.02 + 0.2 + 0.12) / 5)
    assert found.auroc_cost is None


def test_cost_is_the_fall_of_the_area_under_the_curve() -> None:
    found = row([0.1, 0.2, 0.8, 0.9], [0.1, 0.9, 0.8, 0.9], [0, 0, 1, 1])
    assert (found.auroc_fp32, found.auroc_int8, found.auroc_cost) == (1.0, 0.625, 0.375)
    assert row([0.3, 0.2], [0.2, 0.3], [0, 1]).auroc_cost == -1.0  # better: never out of bounds


def test_each_bound_is_checked_and_named() -> None:
    draw = random.Random(0)
    before = [draw.random() for _ in range(1000)]
    truth = [int(draw.random() < score) for score in before]
    check([row(before, before, truth, 0.3)], Bounds())
    flipped = [1 - score if i < 15 else score for i, score in enumerate(before)]
    with pytest.raises(Fatal, match=r"made-up\.jsonl hate: 1\.\d\d% flip at 0\.5 outside .*\n.*--quantize-aware"):
        check([row(before, flipped)], Bounds())
    near = [0.499] * 30 + before
    with pytest.raises(Fatal, match=r"2\.\d\d% flip at 0\.5 \(at most 2\.00%\)"):
        check([row(near, [0.501] * 30 + before)], Bounds())
    low = [0.299] * 30 + before
    with pytest.raises(Fatal, match="flip at the review threshold"):
        check([row(low, [0.301] * 30 + before, review=0.3)], Bounds())
    noisy = [score if draw.random() < 0.95 else draw.random() for score in before]
    with pytest.raises(Fatal, match=r"AUROC falls by 0\.0\d+ \(at most 0\.003\)"):
        check([row(before, noisy, truth)], Bounds(flips=1, clear_flips=1))
    check([row(before, noisy, truth)], Bounds(auroc=1, flips=1, clear_flips=1))


def test_file_too_small_to_tell_is_never_out_of_bounds() -> None:
    check([row([0.6] * 199, [0.4] * 199)], Bounds())
    with pytest.raises(Fatal, match=r"100\.00%"):
        check([row([0.6] * 200, [0.4] * 200)], Bounds())


def test_table_names_file_and_label_and_leaves_out_what_is_unknown() -> None:
    assert "| made-up.jsonl | hate | 2 | - | - | - | 0.00% |" in markdown([row([0.6, 0.1], [0.6, 0.2])])
