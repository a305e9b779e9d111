import random

import pytest

from tests.modeling.scored import LABELS, scored
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.evaluation.thresholds import TIE, choose_policy, middle_of_plateau, policy_version


def separated(boundary: float, count: int = 200) -> ScoredSet:
    """Posts that are hateful exactly where their score is over the boundary."""
    draw = random.Random(0)
    scores = [draw.random() for _ in range(count)]
    return scored("set.jsonl", [(float(score > boundary), score) for score in scores])


def test_review_threshold_separates_what_can_be_separated() -> None:
    policy = choose_policy([separated(0.3)], LABELS, ())
    assert policy.thresholds["hate"].review == pytest.approx(0.3, abs=0.02)


def test_flat_curve_is_reviewed_from_the_middle_of_its_plateau() -> None:
    rows = [(0.0, 0.1)] * 500 + [(1.0, 0.9)] * 500 + [(0.0, 0.285), (1.0, 0.295)]
    policy = choose_policy([scored("a", rows)], LABELS, ())
    assert policy.thresholds["hate"].review == 0.5  # 0.29 is best, by two posts in a thousand over 0.11 to 0.90


def test_sharp_peak_is_reviewed_from_its_top() -> None:
    rows = [(0.0, 0.1), (0.0, 0.595)] * 100 + [(1.0, 0.605), (1.0, 0.9)] * 100  # 0.6 is right, its neighbours are not
    assert choose_policy([scored("a", rows)], LABELS, ()).thresholds["hate"].review == 0.6


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ([0.7, 0.748, 0.747, 0.746, 0.747, 0.745, 0.7], 3),  # the best at its edge: the middle counts
        ([0.7, 0.7, 0.748, 0.7, 0.7], 2),  # a sharp peak
        ([0.745, 0.745, 0.742, 0.745, 0.748], 1),  # a dip at the middle itself: beside it, the lower
        ([0.748, 0.742, 0.747, 0.748, 0.747], 2),  # a dip beside the middle changes nothing
        ([0.748, 0.7, 0.748], 0),  # two peaks: one of them, never the valley
        ([0.7, 0.748, 0.748, 0.7], 1),  # two middles: the lower
        ([0.748, 0.748 - 2 * TIE, 0.748 - TIE / 2], 0),
        ([0.748, 0.748 - 2 * TIE, 0.748 - 2 * TIE], 0),  # just outside does not count
        ([0.5], 0),
    ],
)
def test_plateau_of_the_best_has_this_middle(values: list[float], middle: int) -> None:
    assert middle_of_plateau(values) == middle


def test_label_no_set_knows_is_reviewed_from_one_half_and_never_blocks() -> None:
    policy = choose_policy([separated(0.3)], LABELS, LABELS)
    assert policy.thresholds["offensive"].review == 0.5
    assert policy.thresholds["offensive"].block is None


def test_block_threshold_is_where_nine_in_ten_are_right() -> None:
    draw = random.Random(1)
    scores = [draw.random() for _ in range(4000)]
    policy = choose_policy([scored("a", [(float(draw.random() < s), s) for s in scores])], LABELS, ("hate",))
    block = policy.thresholds["hate"].block
    assert block is not None
    assert block == pytest.approx(0.8, abs=0.05)  # calibrated scores: those from 0.8 up are right 0.9 of the time


def test_precision_that_is_never_reached_blocks_nothing() -> None:
    draw = random.Random(2)
    rows = [(float(draw.random() < 0.5), draw.random()) for _ in range(2000)]
    assert choose_policy([scored("a", rows)], LABELS, ("hate",)).thresholds["hate"].block is None


def test_few_posts_prove_no_precision() -> None:
    rows = [(1.0, 0.9)] * 20 + [(0.0, 0.1)] * 20
    assert choose_policy([scored("a", rows)], LABELS, ("hate",)).thresholds["hate"].block is None


def test_policy_version_follows_the_thresholds() -> None:
    one, same, other = (choose_policy([separated(b)], LABELS, ()) for b in (0.3, 0.3, 0.6))
    assert one.version == same.version == policy_version(dict(reversed(one.thresholds.items())))
    assert one.version != other.version
