import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from tests.modeling.scored import LABELS, joined, scored
from worker.core.policy import Threshold
from worker.modeling.evaluation.bias import FEWEST, GroupRow, measure_groups
from worker.modeling.evaluation.intervals import auroc_interval
from worker.modeling.evaluation.metrics import (
    expected_calibration_error,
    markdown,
    measure,
    recall_at_false_positive_rate,
)
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.evaluation.summary import pooled, three_classes
from worker.modeling.evaluation.temperature import fit_by_half, fit_temperature, scale
from worker.modeling.posts.halves import Half

THRESHOLDS = [Threshold(0.5), Threshold(0.5)]


def overconfident(temperature: float, seed: int, name: str = "a", half: Half | None = None) -> ScoredSet:
    """Posts whose logits are `temperature` times those that would be true."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=3000)
    truth = (draw.random(3000) < expit(logits)).astype(float)
    return scored(name, list(zip(truth.tolist(), expit(logits * temperature).tolist(), strict=True)), half)


def test_calibration_error_of_known_cases() -> None:
    assert expected_calibration_error(np.array([1, 0]), np.array([1.0, 0.0])) == 0
    assert expected_calibration_error(np.array([0, 0]), np.array([1.0, 1.0])) == 1
    assert expected_calibration_error(np.array([1, 0]), np.array([0.5, 0.5])) == 0


def test_calibration_error_counts_posts_by_their_weight() -> None:
    truth, scores = np.array([0, 1]), np.array([1.0, 0.0])
    assert expected_calibration_error(truth, np.array([1.0, 1.0]), np.array([3.0, 1.0])) == pytest.approx(0.75)
    assert expected_calibration_error(truth, scores, np.array([5.0, 2.0])) == pytest.approx(1)


def test_recall_is_at_the_lowest_threshold_that_spares_the_negatives() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, *np.linspace(0.1, 0.5, 97)])
    truth = np.array([1, 0, 1, 1, *[0] * 97])
    assert recall_at_false_positive_rate(truth, scores, 0.0) == pytest.approx(1 / 3)
    assert recall_at_false_positive_rate(truth, scores, 0.01) == pytest.approx(1 / 3)  # 1 of 98 is over 1 %
    assert recall_at_false_positive_rate(truth, scores, 0.05) == 1


def test_interval_is_that_of_resampled_posts() -> None:
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 2, 300)
    scores = np.round(truth * 0.3 + draw.random(300), 1)  # with ties
    low, high = auroc_interval(truth, scores)
    assert (low, high) == auroc_interval(truth, scores)
    areas = []
    for _ in range(200):
        chosen = draw.integers(0, 300, 300)
        areas.append(roc_auc_score(truth[chosen], scores[chosen]))
    assert (low, high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=0.015)
    assert low < roc_auc_score(truth, scores) < high


def test_metrics_of_a_known_set() -> None:
    rows = [(1.0, 0.9), (1.0, 0.6), (0.0, 0.7), (0.0, 0.1), (None, 0.99)]
    (row,) = measure(scored("set.jsonl", rows), LABELS, [Threshold(0.65, 0.8), Threshold(0.5)])
    assert (row.posts, row.positive, row.auroc) == (4, 0.5, 0.75)
    assert row.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert row.f1 == row.macro_f1 == row.balanced_accuracy == 0.5
    assert row.balanced_accuracy_at_half == 0.75
    assert row.macro_f1_at_half == pytest.approx((0.8 + 2 / 3) / 2)
    assert (row.blocked, row.block_precision) == (0.25, 1.0)
    assert "| set.jsonl | hate | 4 | 50.0% | 0.750 |" in markdown([row])


@pytest.mark.parametrize(("threshold", "columns"), [(Threshold(0.5, 0.8), 16), (Threshold(0.5), 14)])
def test_table_speaks_of_blocking_only_where_something_may_block(threshold: Threshold, columns: int) -> None:
    rows = measure(scored("set.jsonl", [(1.0, 0.9), (0.0, 0.1)]), LABELS, [threshold, Threshold(0.5)])
    lines = markdown(rows).splitlines()
    assert [line.count("|") for line in lines] == [columns + 1] * 3
    assert ("blocked" in lines[0]) is (columns == 16)


def test_temperature_of_overconfident_scores_is_found() -> None:
    assert fit_temperature([overconfident(3.0, 0)], 0) == pytest.approx(3, rel=0.1)
    assert fit_temperature([overconfident(3.0, 0)], 1) == 1  # nothing known


def test_each_half_is_scaled_by_what_the_other_one_asks_for() -> None:
    both = joined(overconfident(4.0, 0, half="selection"), overconfident(1.0, 1, half="report"))
    temperatures = fit_by_half([both], 2)
    assert temperatures["report"][0] == pytest.approx(4, rel=0.15)
    assert temperatures["selection"][0] == pytest.approx(1, rel=0.15)


def test_scaling_mends_the_calibration_of_overconfident_scores() -> None:
    each = overconfident(3.0, 0)
    (row,) = measure(each, LABELS, THRESHOLDS, scale(each, fit_by_half([each], 2)))
    assert row.ece > 0.1
    assert row.ece_scaled is not None
    assert row.ece_scaled < 0.04


def test_pooled_error_lets_a_small_source_count_as_much_as_a_large_one() -> None:
    large = scored("large", [(1.0, 0.7), (0.0, 0.7)] * 500)  # 0.2 too high
    small = scored("small", [(1.0, 0.7), (1.0, 0.7), (1.0, 0.7), (0.0, 0.7), (0.0, 0.7)] * 2)  # 0.1 too high
    rows = [row for each in (large, small) for row in measure(each, LABELS, THRESHOLDS)]
    (found,) = pooled(rows, [large, small], LABELS)
    assert found["files"] == ["large", "small"]
    assert found["ece"] == pytest.approx(0.15)
    assert found["ece_scaled"] is None
    assert found["auroc"] == 0.5


def test_pooled_error_lets_opposite_errors_of_sources_cancel() -> None:
    high, low = scored("high", [(1.0, 0.5), (0.0, 0.5)] * 9), scored("low", [(1.0, 0.5), (0.0, 0.5)] * 2)
    rows = [row for each in (high, low) for row in measure(each, LABELS, THRESHOLDS)]
    assert pooled(rows, [high, low], LABELS)[0]["ece"] == 0


def test_error_by_chance_is_that_of_few_posts_whatever_their_labels() -> None:
    few, many = (scored("a", [(1.0, 0.7), (0.0, 0.3)] * count) for count in (10, 4000))
    by_chance = []
    for each in (few, many):
        (found,) = pooled(measure(each, LABELS, THRESHOLDS), [each], LABELS)
        assert found["ece"] == pytest.approx(0.3)
        by_chance.append(found["ece_chance"])
    # Two bins of n posts: each misses by sqrt(.7 x .3 / n) x sqrt(2 / pi) on average.
    assert by_chance == pytest.approx([0.116, 0.0058], rel=0.1)


def test_three_classes_follow_from_two_scores() -> None:
    scores = [(0.9, 0.1), (0.5, 0.9), (0.4, 0.5), (0.1, 0.9), (0.1, 0.2), (0.2, 0.9)]
    each = ScoredSet("a", scored("a", [(None, 0.0)] * 6).examples, tuple(scores))
    classes = dict(zip("012345", ("hate", "hatespeech", "offensive", "offensive", "normal", "neither"), strict=True))
    (found,) = three_classes([each], [classes], LABELS)
    assert found["f1_hate"] == 1
    assert found["f1_offensive"] == 0.8
    assert found["f1_normal"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["macro_f1"] == pytest.approx((1 + 0.8 + 2 / 3) / 3, abs=1e-4)
    assert three_classes([each], [{}], LABELS) == []
    assert three_classes([each], [classes], ("toxic", "insult")) == []


def groups(text: str, positives: float, negatives: float, count: int = FEWEST) -> ScoredSet:
    return scored("a", [(1.0, positives)] * count + [(0.0, negatives)] * count, text=text)


def by_group(*sets: ScoredSet) -> dict[str, GroupRow]:
    return {row.group: row for row in measure_groups([joined(*sets)], LABELS, THRESHOLDS)}


def test_group_whose_name_raises_scores_has_a_low_bpsn_and_a_gap() -> None:
    row = by_group(groups("rain", 0.7, 0.1), groups("muslims", 0.9, 0.8))["muslims"]
    assert (row.subgroup_auc, row.bpsn_auc, row.bnsp_auc) == (1, 0, 1)
    assert (row.fpr, row.fpr_gap) == (1, 1)
    assert (row.posts, row.positive) == (2 * FEWEST, 0.5)


def test_group_whose_name_lowers_scores_has_a_low_bnsp() -> None:
    row = by_group(groups("rain", 0.9, 0.4), groups("trans people", 0.3, 0.1))["trans"]
    assert (row.subgroup_auc, row.bpsn_auc, row.bnsp_auc) == (1, 1, 0)
    assert (row.fpr, row.fpr_gap) == (0, 0)


def test_group_of_few_posts_gets_no_figures() -> None:
    assert by_group(groups("rain", 0.9, 0.1), groups("jews", 0.9, 0.1, FEWEST - 1)) == {}
    negatives = scored("a", [(0.0, 0.2)] * FEWEST, text="jews")
    row = by_group(groups("rain", 0.9, 0.1), negatives)["jews"]
    assert (row.subgroup_auc, row.bnsp_auc, row.bpsn_auc) == (None, None, 1)


def test_groups_are_measured_over_all_files_first_then_in_each() -> None:
    sets = [joined(groups("rain", 0.9, 0.1), groups("jews", 0.8, 0.2)), groups("jews", 0.8, 0.2)]
    found = measure_groups(
        [ScoredSet(name, s.examples, s.scores) for name, s in zip("ab", sets, strict=True)], LABELS, THRESHOLDS
    )
    assert [(row.file, row.posts) for row in found] == [("all files", 4 * FEWEST), ("a", 2 * FEWEST)]
