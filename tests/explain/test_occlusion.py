"""Occlusion: the score is the verdict's own, the weights are what it loses, and the cost is bounded."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

import worker
from worker.core.errors import Fatal
from worker.core.pooling import pool
from worker.core.types import Scores, Window
from worker.explain import Occlusion, explain
from worker.explain.method import log_odds
from worker.explain.occlusion import BATCH_TOKENS
from worker.model.classifier import Classifier
from worker.text.normalise import normalise

LONG = "the bakery on the corner sells good bread . " * 40


class Spy(Classifier):
    """The bundled classifier that counts what it is asked, or answers by its own rule."""

    calls: list[list[Window]]
    bad: int | None = None

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        self.calls.append(list(windows))
        if self.bad is None:
            return super().score(windows)
        odds = [1 / (1 + math.exp(-(2.0 * list(window).count(self.bad) - 3))) for window in windows]
        return [(p, 1 - p) for p in odds]


@pytest.fixture(scope="module")
def loaded() -> Spy:
    Spy.calls = []
    classifier = Spy.load(Path(worker.__file__).parent / "bundles" / "default", verify_golden=False)
    assert isinstance(classifier, Spy)
    return classifier


@pytest.fixture
def classifier(loaded: Spy) -> Spy:
    loaded.calls, loaded.bad = [], None
    return loaded


@pytest.fixture
def ruled(classifier: Spy) -> Spy:
    """Label 0 goes by how often the word `bad` stands in a window: log-odds 2 for each, less 3."""
    [[window]] = classifier.windows(["bad"])
    classifier.bad = window[1]
    return classifier


@pytest.mark.parametrize("text", ["You are all idiots, get lost!", LONG[:600] + "You stu\u200bpid idiot."])
def test_score_is_the_posts_own_bit_for_bit(text: str, classifier: Spy) -> None:
    method = Occlusion(classifier)
    [own] = classifier.windows([normalise(text).text])
    expected = pool([classifier.score([window])[0] for window in own])

    explanation = explain(method, text, classifier.labels[1])

    assert explanation is not None
    assert explanation.score == expected[1]


@pytest.mark.parametrize("mask", [False, True])
def test_weights_are_the_log_odds_that_go_with_the_word(ruled: Spy, mask: bool) -> None:
    text = "Such a bad, bad day"
    first, second = ruled.labels

    explanation = explain(Occlusion(ruled, mask=mask), text, first)
    against = explain(Occlusion(ruled, mask=mask), text, second)

    assert explanation is not None
    assert against is not None
    assert explanation.score == pytest.approx(1 / (1 + math.exp(-1)))
    assert [(text[word.start : word.end], round(word.weight, 6) + 0) for word in explanation.words] == [
        *(("Such", 0), ("a", 0), ("bad", 2), (",", 0), ("bad", 2), ("day", 0))
    ]
    assert [word.weight for word in against.words] == pytest.approx([0, 0, -2, 0, -2, 0])


def test_long_text_is_explained_by_the_window_that_has_its_score(ruled: Spy) -> None:
    text = LONG + "bad " + LONG + "bad bad " + LONG

    explanation = explain(Occlusion(ruled), text, ruled.labels[0])

    assert explanation is not None
    weighty = [text[word.start : word.end] for word in explanation.words if word.weight > 1]
    assert weighty == ["bad", "bad"]
    assert explanation.words[0].start > text.index("bad")


def test_cost_is_each_window_once_and_a_run_for_each_word_within_the_token_budget(ruled: Spy) -> None:
    text = LONG * 3
    explanation = explain(Occlusion(ruled), text, ruled.labels[0])

    assert explanation is not None
    [own] = ruled.windows([text])
    assert sum(map(len, ruled.calls)) == len(own) + 1 + len(explanation.words)
    assert len(explanation.words) <= ruled.bundle.manifest.max_length - 2
    padded = [len(call) * max(map(len, call)) for call in ruled.calls]
    assert max(padded) <= BATCH_TOKENS


def test_text_with_nothing_to_score_has_no_explanation(classifier: Spy) -> None:
    assert explain(Occlusion(classifier), "\u200b", classifier.labels[0]) is None


def test_label_the_model_lacks_is_named_with_those_it_has(classifier: Spy) -> None:
    with pytest.raises(Fatal, match=f"no label 'spam'; its labels are {classifier.labels[0]}"):
        explain(Occlusion(classifier), "hello", "spam")


def test_log_odds_of_a_saturated_score_are_finite() -> None:
    assert 10 < log_odds(1.0) < 20
    assert -20 < log_odds(0.0) < -10
    assert log_odds(0.5) == 0
