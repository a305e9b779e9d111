import random
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.core.errors import Fatal
from worker.core.types import Scores, Window
from worker.model.bundle import load_bundle
from worker.model.classifier import Classifier
from worker.model.session import Session
from worker.model.tokenizer import load_tokenizer
from worker.settings.fields import BUNDLED_MODEL
from worker.text.options import Normalisation

WORDS = (
    "the",
    "park",
    "stupid",
    "people",
    "love",
    "hate",
    "you",
    "vermin",
    "goal",
    "damn",
    "🎉",
    "ünïcode",
    "42",
    "!!!",
)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def windows(classifier: Classifier) -> list[Window]:
    """Windows of every length from 3 to 128: where vector kernels have their odd ends."""
    draw = random.Random(11)
    texts = [" ".join(draw.choices(WORDS, k=draw.choice([1, 2, 5, 14, 30, 63, 90]))) for _ in range(60)]
    found = [window for windows in classifier.windows(texts) for window in windows]
    longest = [1000 + n for n in range(126)]
    edges = [(101, *longest[: n - 2], 102) for n in (3, 4, 15, 16, 17, 31, 32, 33, 48, 49, 64, 65, 127, 128)]
    return [*found, *edges]


@pytest.fixture(scope="module")
def alone(classifier: Classifier, windows: list[Window]) -> list[Scores]:
    return [classifier.score([window])[0] for window in windows]


def batchings(count: int, seed: int) -> Iterator[list[int]]:
    draw = random.Random(seed)
    order = list(range(count))
    draw.shuffle(order)
    while order:
        size = draw.choice([1, 2, 3, 5, 16, 33, 64])
        yield order[:size]
        order = order[size:]


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_bitwise_equal_in_any_batching_and_order(
    classifier: Classifier, windows: list[Window], alone: list[Scores], seed: int
) -> None:
    for batch in batchings(len(windows), seed):
        assert classifier.score([windows[i] for i in batch]) == [alone[i] for i in batch]


def test_threads_share_a_classifier(classifier: Classifier, windows: list[Window], alone: list[Scores]) -> None:
    batches = list(batchings(len(windows), 99))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda batch: classifier.score([windows[i] for i in batch]), batches))
    assert found == [[alone[i] for i in batch] for batch in batches]


def test_two_hundred_full_windows_are_one_batch(classifier: Classifier) -> None:
    window = (101, *range(2000, 2126), 102)
    assert set(classifier.score([window] * 200)) == set(classifier.score([window]))


def test_no_windows_have_no_scores(classifier: Classifier) -> None:
    assert classifier.score([]) == []


def test_scores_are_float32_probabilities(alone: list[Scores]) -> None:
    for scores in alone:
        for score in scores:
            assert 0 <= score <= 1
            assert struct.unpack("f", struct.pack("f", score))[0] == score


def test_hate_scores_above_praise(classifier: Classifier) -> None:
    texts = ["immigrants are disgusting animals, get them all out", "what a lovely day in the park with the dog"]
    (hateful,), (kind,) = classifier.windows(texts)
    assert classifier.score([hateful])[0][0] > 0.5 > classifier.score([kind])[0][0]


def test_long_text_has_overlapping_windows_and_an_empty_one_none(classifier: Classifier) -> None:
    short, none, long = classifier.windows(["hello there", "", "word " * 300])
    assert [len(short), len(none)] == [1, 0]
    assert len(long) > 2
    assert all(len(window) <= 128 and window[0] == 101 and window[-1] == 102 for window in long)


class Fixed(Session):
    """A session that gives fixed logits."""

    def __init__(self, logits: Sequence[Sequence[float]]) -> None:
        self.fixed = np.array(logits, np.float32)

    def logits(self, windows: Sequence[Window]) -> NDArray[np.float32]:  # noqa: ARG002
        return self.fixed


def with_logits(logits: Sequence[Sequence[float]], problem_type: str = "multi_label_classification") -> Classifier:
    path = BUNDLED_MODEL
    bundle = load_bundle(path)
    manifest = bundle.manifest.model_copy(update={"problem_type": problem_type})
    changed = type(bundle)(bundle.path, manifest, bundle.policy, bundle.golden)
    return Classifier(changed, load_tokenizer(path / "tokenizer.json"), Fixed(logits))


def test_extreme_logits_do_not_overflow() -> None:
    assert with_logits([[1000.0, -1000.0], [0.0, 0.0]]).score([[1], [2]]) == [(1.0, 0.0), (0.5, 0.5)]


def test_single_label_scores_sum_to_one() -> None:
    rows = with_logits([[1000.0, -1000.0], [0.0, 0.0]], "single_label_classification").score([[1], [2]])
    assert rows == [(1.0, 0.0), (0.5, 0.5)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_score_that_is_not_a_number_is_an_error_not_a_pass(value: float) -> None:
    broken = with_logits([[value, 0.0]], "single_label_classification")
    with pytest.raises(ArithmeticError):
        broken.score([[1]])


def test_token_outside_the_vocabulary_raises_and_does_not_score(classifier: Classifier) -> None:
    with pytest.raises(Exception, match=r"(?i)out of (data )?bounds"):
        classifier.score([(101, 10_000_000, 102)])


def test_missing_bundle_path_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="MODERATION_BUNDLE"):
        Classifier.load(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_texts_and_golden_posts_are_normalised_as_the_manifest_says(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(BUNDLED_MODEL)
    manifest = bundle.manifest.model_copy(update={"normalisation": Normalisation(handles="placeholder")})
    golden = tuple(replace(post, text="@bob hello") for post in bundle.golden)
    changed = replace(bundle, manifest=manifest, golden=golden)
    tokenizer = load_tokenizer(BUNDLED_MODEL / "tokenizer.json")
    classifier = Classifier(changed, tokenizer, Fixed([]))
    assert classifier.normalise("hi @alice").text == "hi user"
    as_written = replace(bundle, manifest=bundle.manifest.model_copy(update={"normalisation": Normalisation()}))
    assert Classifier(as_written, tokenizer, Fixed([])).normalise("hi @alice").text == "hi @alice"

    prepared: list[str] = []

    def no_windows(texts: Sequence[str]) -> list[tuple[Window, ...]]:
        prepared.extend(texts)
        return [() for _ in texts]

    monkeypatch.setattr(classifier, "windows", no_windows)
    with pytest.raises(Fatal, match="has no tokens"):
        classifier.verify_golden()
    assert set(prepared) == {"user hello"}
