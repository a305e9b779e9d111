"""A run for people and programs: JSON, Markdown, a picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from load_tests.bench import cpu, measures
from load_tests.bench.run import Outcome, Plan


def summary(outcome: Outcome, failures: Sequence[str]) -> dict[str, Any]:
    """One JSON-able object."""
    plan, run = outcome.plan, outcome.run
    report = run.seen.report
    seconds = measures.series(run.seen.pairs)
    return {
        "profile": _posts(plan),
        "delivery": plan.delivery,
        "texts": "made up" if plan.texts is None else "lines of a folder",
        "per_second": round(outcome.per_second, 1),
        "peak_per_second": outcome.peak and round(outcome.peak, 1),
        "drained_per_second": outcome.drained and round(outcome.drained, 1),
        "produced": run.fed.records,
        "matched": report.posts - report.lost,
        "lost": report.lost,
        "duplicates": report.duplicates,
        "verdicts": report.verdicts,
        "dead_letters": report.dead_letters,
        "latency_ms": measures.latencies(run.seen.pairs),
        "most_waiting": max((second.waiting for second in seconds), default=0),
        "behind_seconds": measures.behind(seconds),
        "generator_late_seconds": round(run.fed.latest_seconds, 3),
        "cores": cpu.cores(run.samples),
        "failures": list(failures),
    }


def _posts(plan: Plan) -> str:
    return plan.profile.summary if plan.shape is None else "so many posts in each part of the time as a file says"


def markdown(name: str, found: dict[str, Any]) -> str:
    """The summary as a page."""
    rows = [(key, json.dumps(value) if isinstance(value, dict) else str(value)) for key, value in found.items()]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows if key != "failures")
    failures = "\n".join(f"- {failure}" for failure in found["failures"]) or "none"
    return f"# {name}\n\n| what | value |\n|---|---|\n{table}\n\nFailures: {failures}\n\n![over time]({name}.png)\n"


def write(name: str, outcome: Outcome, found: dict[str, Any], folder: Path) -> None:
    """`folder`/`name`.json, .md and .png."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = measures.series(outcome.run.seen.pairs)
    document = {**found, "series": [asdict(second) for second in seconds]}
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(markdown(name, found), encoding="utf-8")
    draw(name, outcome, seconds, folder / f"{name}.png")


def draw(name: str, outcome: Outcome, seconds: Sequence[measures.Second], path: Path) -> None:
    """Latency, throughput, what waits, and who had the processors, over time."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    latency, throughput, waiting, shares = figure.subplots(4, 1)
    times = [second.at for second in seconds]
    for label in ("p50_ms", "p99_ms"):
        latency.plot(times, [getattr(second, label) for second in seconds], label=label.removesuffix("_ms"))
    _label(latency, "ms, by second due")
    throughput.plot(times, [second.due for second in seconds], label="due")
    throughput.plot(times, [second.done for second in seconds], label="done")
    _label(throughput, "posts/s")
    waiting.fill_between(times, [second.waiting for second in seconds], alpha=0.4, label="due and not done")
    _label(waiting, "posts")
    _draw_cores(shares, outcome)
    figure.suptitle(f"{name}: {_posts(outcome.plan)}, {outcome.per_second:.0f} posts/s")
    figure.savefig(path, dpi=100)


def _draw_cores(axes: Axes, outcome: Outcome) -> None:
    samples = outcome.run.samples
    if not samples:
        return
    for name in samples[0].used:
        used = [cpu.cores(list(two)).get(name, 0.0) for two in pairwise(samples)]
        axes.plot([sample.at - samples[0].at for sample in samples[1:]], used, label=name)
    axes.set_xlabel("seconds")
    _label(axes, "cores")


def _label(axes: Axes, unit: str) -> None:
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")
