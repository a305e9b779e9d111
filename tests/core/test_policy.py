import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.policy import Action, Policy, Threshold, decide

POLICY = Policy("p1", ("hate", "offensive"), (Threshold(0.5, 0.9), Threshold(0.25)))
probabilities = st.floats(0, 1)


@pytest.mark.parametrize(
    ("scores", "action", "labels"),
    [
        ((0.0, 0.0), Action.ALLOW, ()),
        ((0.4999, 0.2499), Action.ALLOW, ()),
        ((0.5, 0.0), Action.REVIEW, ("hate",)),
        ((0.9, 0.0), Action.BLOCK, ("hate",)),
        ((0.0, 1.0), Action.REVIEW, ("offensive",)),
        ((0.95, 0.3), Action.BLOCK, ("hate", "offensive")),
    ],
)
def test_scores_at_a_threshold_count_as_over_it(
    scores: tuple[float, float], action: Action, labels: tuple[str, ...]
) -> None:
    decision = decide(scores, POLICY)
    assert (decision.action, decision.labels) == (action, labels)


@given(st.tuples(probabilities, probabilities), st.tuples(probabilities, probabilities))
def test_higher_scores_never_make_a_milder_decision(left: tuple[float, float], right: tuple[float, float]) -> None:
    severity = list(Action)
    low = decide((min(left[0], right[0]), min(left[1], right[1])), POLICY)
    high = decide((max(left[0], right[0]), max(left[1], right[1])), POLICY)
    assert severity.index(low.action) <= severity.index(high.action)
    assert set(low.labels) <= set(high.labels)


@given(st.permutations(range(3)), st.tuples(probabilities, probabilities, probabilities))
def test_the_action_does_not_depend_on_the_order_of_labels(
    order: list[int], scores: tuple[float, float, float]
) -> None:
    labels, thresholds = ("a", "b", "c"), (Threshold(0.2, 0.4), Threshold(0.5), Threshold(0.1, 0.9))
    straight = decide(scores, Policy("p", labels, thresholds))
    shuffled = decide(
        tuple(scores[i] for i in order),
        Policy("p", tuple(labels[i] for i in order), tuple(thresholds[i] for i in order)),
    )
    assert shuffled.action is straight.action
    assert set(shuffled.labels) == set(straight.labels)


@pytest.mark.parametrize("scores", [(math.nan, 0.1), (0.1,), (0.1, 0.1, 0.1), (-0.1, 0.0), (0.0, 1.1), (math.inf, 0)])
def test_scores_that_are_no_probabilities_are_refused_instead_of_allowed(scores: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="one probability for each label"):
        decide(scores, POLICY)


@pytest.mark.parametrize(("review", "block"), [(0.6, 0.5), (-0.1, None), (1.1, None), (0.5, 1.1), (math.nan, None)])
def test_thresholds_that_would_hide_a_decision_are_refused(review: float, block: float | None) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        Threshold(review, block)


@pytest.mark.parametrize("labels", [("hate", "hate"), ("hate",), ("hate", "offensive", "spam")])
def test_a_policy_without_one_threshold_for_each_label_is_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="one threshold for each label"):
        Policy("p1", labels, (Threshold(0.5), Threshold(0.5)))
