"""The runs of an ablation as a table: each variant against the base, paired by seed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from scipy import stats

from worker.modeling.writing import write_text

BASE = "base"
RESULTS = "results.json"
TABLE = "results.md"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: AUROC by development file and label."""

    setting: str
    variant: str
    seed: int
    scores: dict[str, dict[str, float]]

    @property
    def mean(self) -> float:
        """Mean AUROC over files and labels."""
        return fmean(area for labels in self.scores.values() for area in labels.values())


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant in a setting: mean AUROC over its seeds, and its difference to the base over the `seeds` both have.

    `low`, `high`: 95 % interval of the mean difference by Student's t, None with fewer than two seeds. It holds for
    seeds and samples of training posts; the development files are the same in all.
    """

    setting: str
    variant: str
    mean: float
    difference: float
    low: float | None
    high: float | None
    seeds: int


def compare(runs: Sequence[Run]) -> list[Comparison]:
    """Every variant in the order of the runs, the base first with a difference of 0; settings one after another."""
    by_key = {(run.setting, run.variant, run.seed): run.mean for run in runs}
    settings = dict.fromkeys(run.setting for run in runs)
    names = dict.fromkeys(run.variant for run in runs)
    found = []
    for setting in settings:
        for variant in names:
            seeds = [s for (where, name, s) in by_key if (where, name) == (setting, variant)]
            paired = [s for s in seeds if (setting, BASE, s) in by_key]
            if paired:
                own = [by_key[setting, variant, s] for s in paired]
                against = [by_key[setting, BASE, s] for s in paired]
                found.append(_comparison(setting, variant, own, against))
    return found


def _comparison(setting: str, variant: str, own: Sequence[float], against: Sequence[float]) -> Comparison:
    differences = [a - b for a, b in zip(own, against, strict=True)]
    mean = fmean(differences)
    low = high = None
    if len(differences) > 1 and variant != BASE:
        half = float(stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences))
        low, high = mean - half, mean + half
    return Comparison(setting, variant, fmean(own), mean, low, high, len(own))


def write_tables(out: Path, runs: Sequence[Run]) -> str:
    """Write `results.json` and `results.md` to `out`; return the Markdown."""
    found = compare(runs)
    write_text(out / RESULTS, json.dumps([asdict(row) for row in found], indent=2) + "\n")
    table = markdown(found)
    write_text(out / TABLE, table)
    return table


def markdown(found: Sequence[Comparison]) -> str:
    """A Markdown table of comparisons."""
    lines = ["| setting | variant | mean AUROC | difference | 95 % interval | seeds |", "|---|---|---|---|---|---|"]
    for row in found:
        interval = "-" if row.low is None or row.high is None else f"{row.low:+.4f} … {row.high:+.4f}"
        difference = "-" if row.variant == BASE else f"{row.difference:+.4f}"
        lines.append(f"| {row.setting} | {row.variant} | {row.mean:.4f} | {difference} | {interval} | {row.seeds} |")
    return "\n".join(lines) + "\n"
