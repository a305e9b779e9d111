"""Made-up scored posts."""

from collections.abc import Sequence

from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.posts.examples import Example
from worker.modeling.posts.halves import HALVES, Half, half_of

LABELS = ("hate", "offensive")
IDS = {half: [i for i in map(str, range(20_000)) if half_of(i) == half] for half in HALVES}


def scored(
    name: str, rows: Sequence[tuple[float | None, float]], half: Half | None = None, text: str = ""
) -> ScoredSet:
    """Posts with a truth for `hate` and a score, of one half where asked; `offensive` is always unknown."""
    ids = IDS[half] if half else list(map(str, range(len(rows))))
    examples = tuple(Example(i, text, (truth, None), name) for i, (truth, _) in zip(ids, rows, strict=False))
    return ScoredSet(name, examples, tuple((score, 0.5) for _, score in rows))


def joined(*sets: ScoredSet) -> ScoredSet:
    """The posts of all sets under the name of the first."""
    return ScoredSet(
        sets[0].name, tuple(e for each in sets for e in each.examples), tuple(s for each in sets for s in each.scores)
    )
