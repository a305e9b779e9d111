"""How good a method's explanations are: a row for each file and label, with a random order of the words beside."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tqdm import tqdm

from worker.core.errors import Fatal
from worker.explain.method import Method, WordWeight, carrying
from worker.modeling.explain.agreement import Pair, best_cut, mean_auprc, mean_f1
from worker.modeling.explain.faithfulness import Faithfulness, faithfulness
from worker.modeling.explain.rationales import Marked, read_marked, token_weights
from worker.modeling.posts.halves import half_of


@dataclass(frozen=True, slots=True)
class Quality:
    """Plausibility and faithfulness of one way to weigh words; `cut` was chosen on the selection half."""

    cut: float
    token_f1: float
    auprc: float
    comprehensiveness: float
    sufficiency: float


@dataclass(frozen=True, slots=True)
class QualityRow:
    """One label on the report half of one file: posts that have the label and marked words."""

    file: str
    label: str
    posts: int
    method: Quality
    control: Quality


@dataclass(frozen=True, slots=True)
class _Explained:
    selection: bool
    pair: Pair
    faithful: Faithfulness | None


def measure(method: Method, data: Sequence[Path], posts: int | None = None, seed: int = 0) -> list[QualityRow]:
    """A row for each file and label of the model.

    `posts`: at most so many of each file and label, drawn by `seed`. Raises Fatal where a file has too few.
    """
    rows = []
    for path in data:
        marked = read_marked(path, method.labels)
        for label in method.labels:
            chosen = [post for post in marked if label in post.labels]
            if chosen:
                random.Random(seed).shuffle(chosen)
                rows.append(_row(method, path.name, label, chosen[:posts]))
    if not rows:
        raise Fatal(f"--data: no post with marked words has one of the labels {', '.join(method.labels)}")
    return rows


def _row(method: Method, name: str, label: str, posts: Sequence[Marked]) -> QualityRow:
    halves = {half_of(post.id) for post in posts}
    if len(halves) < 2:
        raise Fatal(f"--data: {name}: too few posts with marked words and the label {label}: one half has none")
    position = method.labels.index(label)
    explained = [
        found for post in tqdm(posts, f"{name} {label}", disable=None) for found in _both(method, post, position)
    ]
    ours, control = explained[::2], explained[1::2]
    if not any(found.faithful for found in ours) or not any(found.faithful for found in control):
        raise Fatal(
            f"--data: {name}: no post with the label {label} has a token that the model knows on the published half"
        )
    count = sum(not found.selection for found in ours)
    return QualityRow(name, label, count, _quality(ours), _quality(control))


def _quality(explained: Sequence[_Explained]) -> Quality:
    cut = best_cut([found.pair for found in explained if found.selection])
    report = [found.pair for found in explained if not found.selection]
    faithful = [found.faithful for found in explained if found.faithful]
    return Quality(
        cut,
        mean_f1(report, cut),
        mean_auprc(report),
        fmean(found.comprehensiveness for found in faithful),
        fmean(found.sufficiency for found in faithful),
    )


def _both(method: Method, post: Marked, label: int) -> Iterator[_Explained]:
    """By the method, then by a random order that is the same in every run; nothing of a post without a token."""
    carried = carrying(method, post.text, label)
    if carried is None:
        return
    passage, score = carried
    draw = random.Random(post.id)
    selection = half_of(post.id) == "selection"
    for weights in (method.weigh(passage, label), [draw.random() for _ in passage.words]):
        words = [WordWeight(w.start, w.end, weight) for w, weight in zip(passage.words, weights, strict=True)]
        pair = (post.marked, token_weights(post.text, words))
        yield _Explained(selection, pair, None if selection else faithfulness(method, passage, weights, label, score))
