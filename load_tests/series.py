"""Does a measured quantity grow? Robust against what jumps up and down."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

RSS_PER_CENT = 5.0
COUNT_PER_CENT = 5.0
MOST_POINTS = 400
"""Pairs grow with the square of points; more are thinned out evenly."""


@dataclass(frozen=True, slots=True)
class Growth:
    """`begin` and `end`: medians of the first and last fifth of the last two thirds. `per_cent`: by a robust line."""

    begin: float
    end: float
    per_cent: float


def growth(points: Sequence[tuple[float, float]]) -> Growth:
    """Growth over the last two thirds of the time, of (seconds, value): before, memory is still being warmed up.

    The line is Theil and Sen's: the median of all pairs' slopes. Raises ValueError where there are too few points.
    """
    points = sorted(points)
    if len(points) < 10:
        raise ValueError(f"{len(points)} samples show no trend")
    first = points[0][0] + (points[-1][0] - points[0][0]) / 3
    kept = [point for point in points if point[0] >= first]
    thinned = kept[:: -(-len(kept) // MOST_POINTS)]
    slope = statistics.median((b - a) / (t - s) for (s, a), (t, b) in combinations(thinned, 2) if t > s)
    fifth = max(1, len(kept) // 5)
    begin = statistics.median(value for _, value in kept[:fifth])
    end = statistics.median(value for _, value in kept[-fifth:])
    level = statistics.median(value for _, value in kept)
    return Growth(begin, end, 100 * slope * (kept[-1][0] - kept[0][0]) / level if level else 0.0)


def failures(growths: Mapping[str, Growth]) -> list[str]:
    """What grew too much: `rss` by its line, counts by more than one and 5 %."""
    found = []
    for name, grown in growths.items():
        if name == "rss":
            bad = grown.per_cent > RSS_PER_CENT
        else:
            bad = grown.end - grown.begin > max(1.0, grown.begin * COUNT_PER_CENT / 100)
        if bad:
            found.append(f"{name} grew from {grown.begin:.0f} to {grown.end:.0f} ({grown.per_cent:+.1f} %)")
    return found
