"""One post's scores from the scores of its windows."""

from collections.abc import Sequence

from worker.core.types import Scores


def pool(scores: Sequence[Scores]) -> Scores:
    """Return the maximum of each label over all windows: what is said anywhere is said. At least one window."""
    return tuple(map(max, zip(*scores, strict=True)))
