"""What was measured of the worker and its peers, as a table and as one object. Pure."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HUGGING_FACE, USUAL, SERVER, FRAMEWORK = "hugging face", "usual", "model server", "framework"
WORKER, MODEL = "worker", "model only"
WAYS = (HUGGING_FACE, USUAL, SERVER, FRAMEWORK, WORKER, MODEL)
LONE = 0.0
"""The level of an idle worker that gets one post now and then."""

Scores = Mapping[str, Mapping[str, float]]


@dataclass(slots=True)
class Found:
    """Rounds in order.

    `drains`, and `peaks` (while more posts come than a way can do): posts a second; `latencies`: by way and share of its
    peak, in milliseconds; `alone_ms`: tokenising and scoring a post, without Kafka; `round_trip_ms`: a record from its
    producer to a consumer, with nothing in between.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    drains: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    peaks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    latencies: dict[tuple[str, float], list[Mapping[str, float]]] = field(default_factory=lambda: defaultdict(list))
    alone_ms: list[float] = field(default_factory=list)
    round_trip_ms: list[float] = field(default_factory=list)

    def drain(self, way: str) -> float:
        """Posts a second of a backlog: the median of its rounds."""
        return statistics.median(self.drains[way])

    def peak(self, way: str) -> float:
        """Posts a second while posts pile up: the median of its rounds."""
        return statistics.median(self.peaks[way])

    def latency(self, way: str, level: float, which: str) -> float:
        """Milliseconds: the median of its rounds."""
        return statistics.median(run[which] for run in self.latencies[way, level])

    def ratio(self, way: str, other: str) -> float:
        """How many times as fast, round by round: what slows the machine for a while slows both."""
        return statistics.median(a / b for a, b in zip(self.drains[way], self.drains[other], strict=True))

    def latency_ratio(self, one: tuple[str, float, str], other: tuple[str, float, str]) -> float:
        """Of two latencies (way, level, percentile), round by round."""
        ours, theirs = ([run[which] for run in self.latencies[way, level]] for way, level, which in (one, other))
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    def drain_of_peak(self, way: str) -> float:
        """A backlog's rate against that while posts pile up, round by round."""
        return statistics.median(a / b for a, b in zip(self.drains[way], self.peaks[way], strict=True))

    def lone_ratio(self) -> float:
        """A lone post's latency, against its tokenising and scoring and two round trips to the broker."""
        least = statistics.median(self.alone_ms) + 2 * statistics.median(self.round_trip_ms)
        return self.latency(WORKER, LONE, "p50") / least


def difference(one: Scores, other: Scores) -> float:
    """Mean absolute difference of two ways' scores, over the posts that both have. Raises ValueError without any."""
    apart = [
        abs(score - other[post][label]) for post in one.keys() & other.keys() for label, score in one[post].items()
    ]
    if not apart:
        raise ValueError("no post was scored by both")
    return sum(apart) / len(apart)


def markdown(found: Found) -> str:
    """Rates and ratios, then latencies at shares of the peak."""
    lines = ["| way | posts/s | against usual | rounds | posts a round |", "|---|---|---|---|---|"]
    for way, rounds in found.drains.items():
        each = ", ".join(f"{one:.0f}" for one in rounds)
        lines.append(
            f"| {way} | {found.drain(way):.0f} | {found.ratio(way, USUAL):.2f} | {each} | {found.sizes[way]} |"
        )
    lines += ["", "| way | posts/s while posts pile up (its peak) | rounds |", "|---|---|---|"]
    for way, rounds in found.peaks.items():
        lines.append(f"| {way} | {found.peak(way):.0f} | {', '.join(f'{one:.0f}' for one in rounds)} |")
    lines += ["", "| way | share of its peak | p50 ms | p99 ms |", "|---|---|---|---|"]
    for way, level in found.latencies:
        share = "a lone post" if level == LONE else f"{level:.0%}"
        p50, p99 = (found.latency(way, level, which) for which in ("p50", "p99"))
        lines.append(f"| {way} | {share} | {p50:.0f} | {p99:.0f} |")
    return "\n".join(lines)


def summary(found: Found, level: float) -> dict[str, Any]:
    """The ratios that are asked for, and what they are made of. `level`: the highest share of the peak."""
    worker_p99, usual_p99 = (found.latency(way, level, "p99") for way in (WORKER, USUAL))
    per_cent = f"{level * 100:.0f}"
    return {
        "vs_usual_peer": round(found.ratio(WORKER, USUAL), 3),
        "vs_hf_pipeline": round(found.ratio(WORKER, HUGGING_FACE), 3),
        "vs_model_server": round(found.ratio(WORKER, SERVER), 3),
        "vs_framework": round(found.ratio(WORKER, FRAMEWORK), 3),
        "of_model_only": round(found.ratio(WORKER, MODEL), 3),
        f"p99_ms_at_{per_cent}_percent": worker_p99,
        f"usual_peer_p99_ms_at_{per_cent}_percent": usual_p99,
        "p99_of_usual_peer": round(found.latency_ratio((WORKER, level, "p99"), (USUAL, level, "p99")), 3),
        "p99_at_50_percent_of_lone_p50": round(found.latency_ratio((WORKER, 0.5, "p99"), (WORKER, LONE, "p50")), 3),
        "lone_post_ratio": round(found.lone_ratio(), 3),
        "lone_post_p50_ms": found.latency(WORKER, LONE, "p50"),
        "alone_ms": round(statistics.median(found.alone_ms), 2),
        "round_trip_ms": round(statistics.median(found.round_trip_ms), 2),
        "posts_per_second": {way: round(found.drain(way), 1) for way in found.drains},
        "peak_posts_per_second": {way: round(found.peak(way), 1) for way in found.peaks},
        "drain_of_peak": round(found.drain_of_peak(WORKER), 3),
        "rounds": {way: [round(one, 1) for one in rounds] for way, rounds in found.drains.items()},
        "latency_ms": {
            f"{way} {at:.0%}": {which: found.latency(way, at, which) for which in ("p50", "p99", "generator_late_ms")}
            for way, at in found.latencies
        },
        "score_difference": {way: round(by, 4) for way, by in found.differences.items()},
    }
