"""Numbers from what the logs say: latencies, a drain's rate, and series over time. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from hdrh.histogram import HdrHistogram

from load_tests.history import Output, Position

LONGEST_MS = 3_600_000
WARM_SHARE = 0.05, 0.2
"""Where in a drain measuring begins: caches and threads are warm by then."""

SETTLING_SHARE = 0.25
"""Of the time of an overload: until enough posts wait, what is done may be what comes, or a cold start's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An input and its first outcome, in milliseconds since 1970: when it was due, when its outcome was in the log."""

    due_ms: int
    done_ms: int

    @property
    def latency_ms(self) -> int:
        return max(0, self.done_ms - self.due_ms)


def pairs(due_ms: Mapping[Position, int], outputs: Iterable[Output]) -> list[Pair]:
    """Inputs with their first outcome, in the order they were due; those without one are left out."""
    done: dict[Position, int] = {}
    for output in outputs:
        if output.source is not None and output.source in due_ms:
            done[output.source] = min(output.timestamp_ms, done.get(output.source, output.timestamp_ms))
    return sorted((Pair(due_ms[source], at) for source, at in done.items()), key=lambda pair: pair.due_ms)


def latencies(found: Iterable[Pair]) -> dict[str, float]:
    """Count, mean and percentiles in milliseconds, from a histogram of three digits up to one hour."""
    histogram = HdrHistogram(1, LONGEST_MS, 3)
    for pair in found:
        histogram.record_value(min(pair.latency_ms, LONGEST_MS))
    if not histogram.total_count:
        return {"count": 0}
    shares = {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9, "max": 100}
    measured = {name: float(histogram.get_value_at_percentile(share)) for name, share in shares.items()}
    return {"count": histogram.total_count, "mean": round(histogram.get_mean_value(), 1), **measured}


def drain_rate(done_ms: Sequence[int]) -> float:
    """Posts a second while a backlog was drained, from the times of its outcomes; start-up is left out.

    Outcomes come in bursts, one for each batch. From the end of one burst to the end of the last, whole batches are
    counted: it begins after the longest pause within WARM_SHARE of them. Raises ValueError where nothing shows a rate.
    """
    stamps = sorted(done_ms)
    low, high = (int(len(stamps) * share) for share in WARM_SHARE)
    gaps = [(after - before, -index) for index, (before, after) in enumerate(pairwise(stamps[low : high + 2]), low)]
    if not gaps:
        raise ValueError(f"{len(stamps)} outcomes show no rate")
    begin = -max(gaps)[1]
    if stamps[-1] == stamps[begin]:
        raise ValueError("all outcomes came at once")
    return (len(stamps) - 1 - begin) * 1000 / (stamps[-1] - stamps[begin])


def sustained_rate(found: Sequence[Pair]) -> float:
    """Posts a second that were done while others came, from pairs in the order they were due: of an overload, the peak.

    What came first is left out (SETTLING_SHARE of the time). Raises ValueError where nothing shows a rate.
    """
    if not found or found[0].due_ms == found[-1].due_ms:
        raise ValueError(f"{len(found)} posts show no rate")
    first, last = found[0].due_ms, found[-1].due_ms
    begin = first + (last - first) * SETTLING_SHARE
    return sum(begin < pair.done_ms <= last for pair in found) * 1000 / (last - begin)


def waiting_at_the_end(found: Sequence[Pair]) -> int:
    """How many posts had no outcome yet when the last one was due; of pairs in the order they were due."""
    return sum(pair.done_ms > found[-1].due_ms for pair in found)


@dataclass(frozen=True, slots=True)
class Second:
    """One second of a run, from its first due time on. `waiting`: due and not done at its end."""

    at: int
    due: int
    done: int
    waiting: int
    p50_ms: float | None
    p99_ms: float | None


def series(found: Sequence[Pair]) -> list[Second]:
    """Second by second; latencies are of the posts that were due in it."""
    if not found:
        return []
    begun = found[0].due_ms
    came: dict[int, list[Pair]] = {}
    for pair in found:
        came.setdefault((pair.due_ms - begun) // 1000, []).append(pair)
    done = Counter(max(0, pair.done_ms - begun) // 1000 for pair in found)
    seconds, waiting = [], 0
    for at in range(max(*done, *came) + 1):
        own = came.get(at, [])
        waiting += len(own) - done[at]
        measured = latencies(own)
        seconds.append(Second(at, len(own), done[at], waiting, measured.get("p50"), measured.get("p99")))
    return seconds


def behind(found: Sequence[Second]) -> int:
    """The longest stretch, in seconds, through which more posts waited at the end of each second than come in one on average."""
    if not found:
        return 0
    usual = sum(second.due for second in found) / len(found)
    return max(len(list(run)) if late else 0 for late, run in groupby(found, key=lambda second: second.waiting > usual))
