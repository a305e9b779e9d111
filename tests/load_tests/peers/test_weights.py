"""The peers score with the worker's own weights: what is compared is how, not what."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch

from load_tests.made_up import made_up_texts
from load_tests.peers import ceiling
from load_tests.peers.hugging_face import load
from load_tests.peers.loop import Scores
from load_tests.peers.usual import INT8, Usual
from load_tests.peers.weights import prepare
from worker.core.types import Window
from worker.model.classifier import Classifier
from worker.settings.fields import BUNDLED_MODEL

TEXTS = [text[:300] for text in islice(made_up_texts(), 24)] + ["you people are the worst", "what a lovely day"]


@pytest.fixture(scope="module")
def served() -> list[Scores]:
    classifier = Classifier.load(BUNDLED_MODEL)
    windows = [found[0] for found in classifier.windows([classifier.normalise(text).text for text in TEXTS])]
    return [dict(zip(classifier.labels, scores, strict=True)) for scores in classifier.score(windows)]


def mean_difference(scored: Sequence[Scores], served: Sequence[Scores]) -> float:
    apart = [abs(a[label] - b[label]) for a, b in zip(scored, served, strict=True) for label in b]
    return sum(apart) / len(apart)


@pytest.mark.filterwarnings("ignore")  # torch's exporter is deprecated, and is what most people run
@pytest.mark.timeout(300)
def test_peers_give_the_workers_scores_up_to_quantization(weights: Path, served: list[Scores]) -> None:
    usual = Usual(weights, BUNDLED_MODEL)(TEXTS)
    with torch.no_grad():
        rows = load(weights, 128)(TEXTS)
    pipeline = [{row["label"]: row["score"] for row in found} for found in rows]
    assert mean_difference(pipeline, served) < 0.02
    assert mean_difference(usual, served) < 0.05


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(300)
def test_weights_are_kept_while_the_bundle_is_the_same(weights: Path) -> None:
    before = (weights / INT8).stat().st_mtime_ns
    assert prepare(BUNDLED_MODEL, weights) == weights
    assert (weights / INT8).stat().st_mtime_ns == before
    (weights / "done").write_text("another bundle", encoding="ascii")
    prepare(BUNDLED_MODEL, weights)
    assert (weights / INT8).stat().st_mtime_ns > before


def test_model_alone_scores_every_window_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier.load(BUNDLED_MODEL)
    seen: list[list[int]] = []
    original = classifier.score

    def score(windows: Sequence[Window]) -> list[tuple[float, ...]]:
        seen.append([len(window) for window in windows])
        return original(windows)

    monkeypatch.setattr(classifier, "score", score)
    assert ceiling.measure(classifier, TEXTS, threads=1) > 0
    windows = classifier.windows([classifier.normalise(text).text for text in TEXTS])
    assert sum(map(len, seen)) == sum(map(len, windows))
    assert all(len(batch) * max(batch) <= ceiling.BATCH_TOKENS for batch in seen)
    assert max(map(len, seen)) > 1
