"""Choose unlabelled posts for a student: those a baseline doubts, those it finds likely, and some at random."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.core.errors import Fatal
from worker.model.classifier import Classifier
from worker.modeling.evaluation.scoring import score_set
from worker.modeling.posts.examples import Example
from worker.modeling.posts.texts import read_texts
from worker.modeling.training.teacher_scores import TeacherScores, digest
from worker.modeling.writing import write_text

CLEAN_BELOW = 0.1
"""Every score of a post that is taken for clean, at most."""

_PART = 5000


@dataclass(frozen=True, slots=True)
class Selection:
    """How many posts to choose, and from what: a random `pool` of the texts of `shortest` to `longest` characters."""

    count: int = 24_000
    clean: int = 8_000
    pool: int = 60_000
    shortest: int = 20
    longest: int = 300
    seed: int = 0


def select(baseline: Classifier, texts: Sequence[Path], wanted: Selection) -> tuple[list[Example], list[Example]]:
    """Posts to learn from a teacher, and clean posts, disjoint; half doubtful, a quarter likely, a quarter random.

    Doubtful: the highest score is nearest to 0.5; likely: the first label's score is highest. Clean posts are random
    ones whose scores are all under CLEAN_BELOW; of fewer than wanted it tells how many. Raises Fatal where the pool is too small for what is wanted.
    """
    pool = _pool(texts, wanted)
    if len(pool) < wanted.count + wanted.clean:
        raise Fatal(
            f"select: {len(pool):,} fitting posts of --texts, of which --pool takes {wanted.pool:,} at most: "
            f"{wanted.count + wanted.clean:,} are wanted"
        )
    examples, scores = _score(baseline, pool)
    found, clean = _choose(examples, scores, wanted)
    if len(clean) < wanted.clean:
        print(
            f"only {len(clean):,} clean posts of {wanted.clean:,}: no other of the {len(examples):,} scores under "
            f"{CLEAN_BELOW}: give a larger --pool",
            flush=True,
        )
    return found, clean


def select_again(texts: Sequence[Path], wanted: Selection, scores: TeacherScores, source: str) -> list[Example]:
    """The posts of `source` that teachers scored, in the teachers' order: the same choice without its baseline.

    Posts are found by their lines. Raises Fatal where some are not in `texts`, or have another text.
    """
    every = scores.keys.tolist()
    keys = [name for name in every if name.startswith(f"{source}/")]
    if not keys:
        known = ", ".join(sorted({name.partition("/")[0] for name in every}))
        raise Fatal(f"select: --scores have no posts of {source!r}: name the file that is written after one of {known}")
    order = {name.partition("/")[2]: place for place, name in enumerate(keys)}
    digests = dict(zip(scores.keys.tolist(), scores.digests.tolist(), strict=True))
    found = [
        example
        for example in _fitting(texts, wanted)
        if example.id in order and digests[f"{source}/{example.id}"] == digest(example)
    ]
    if len(found) < len(order) or not found:
        raise Fatal(
            f"select: --texts hold {len(found):,} of the {len(order):,} posts of {source!r} that were scored: "
            "give the same files, in the same order, and the same --longest"
        )
    return sorted(found, key=lambda example: order[example.id])


def _fitting(paths: Iterable[Path], wanted: Selection) -> Iterator[Example]:
    fitting = (text for text in read_texts(paths) if wanted.shortest <= len(text) <= wanted.longest)
    return (Example(f"line-{number}", text, (), "unlabelled") for number, text in enumerate(fitting))


def _pool(paths: Iterable[Path], wanted: Selection) -> list[Example]:
    """A random sample, the same for the same seed (reservoir sampling: files may be larger than memory)."""
    draw = random.Random(wanted.seed)
    found: list[Example] = []
    for number, example in enumerate(_fitting(paths, wanted)):
        if len(found) < wanted.pool:
            found.append(example)
        elif (place := draw.randrange(number + 1)) < wanted.pool:
            found[place] = example
    return found


def _score(baseline: Classifier, pool: Sequence[Example]) -> tuple[list[Example], NDArray[np.float64]]:
    examples: list[Example] = []
    scores: list[tuple[float, ...]] = []
    rest = iter(pool)
    while part := list(islice(rest, _PART)):
        scored = score_set(baseline, "pool", part)
        examples += scored.examples
        scores += scored.scores
        print(f"scored {len(examples):,}/{len(pool):,} posts", flush=True)
    return examples, np.array(scores)


def _choose(
    examples: Sequence[Example], scores: NDArray[np.float64], wanted: Selection
) -> tuple[list[Example], list[Example]]:
    draw = np.random.default_rng(wanted.seed)
    doubt = np.abs(scores.max(axis=1) - 0.5)
    left = np.ones(len(examples), dtype=bool)

    def take(order: NDArray[np.intp], count: int) -> list[Example]:
        chosen = [int(i) for i in order if left[i]][:count]
        left[chosen] = False
        return [examples[i] for i in chosen]

    clean = take(draw.permutation(np.flatnonzero(scores.max(axis=1) < CLEAN_BELOW)), wanted.clean)
    found = take(np.argsort(-scores[:, 0], kind="stable"), wanted.count // 4)
    found += take(np.argsort(doubt, kind="stable"), wanted.count // 2)
    found += take(draw.permutation(len(examples)), wanted.count - len(found))
    return found, clean


def write(path: Path, examples: Sequence[Example], labels: Sequence[str] = ()) -> None:
    """Write posts as JSON Lines, each of `labels` 0; aside first."""
    rows = [{"id": e.id, "text": e.text, "labels": dict.fromkeys(labels, 0)} for e in examples]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
