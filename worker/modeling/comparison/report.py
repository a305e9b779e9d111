"""The table of encoders as Markdown and as a plot."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl

from worker.modeling.comparison.shapes import REFERENCE
from worker.modeling.comparison.table import Row

LEAST_SPAN = 0.05
"""AUROC from the plot's bottom to its top, at least: no difference that is none shall look like one."""


def markdown(rows: Sequence[Row], posts: str) -> str:
    """A table, what it was measured on, and what is odd about some rows."""
    base = next((row.encoder.name for row in rows if row.encoder.name == REFERENCE), rows[0].encoder.name)
    lines = [
        (
            f"Speed: {posts}, int8 graph (7-bit weights) through the serving path, per second of one CPU's time; "
            f"the ratio is to {base}. Only ratios carry over to other machines. "
            f"Difference: of a probability, float32 to int8, on {rows[0].compared:,} of these posts after calibration "
            f"on {rows[0].calibrated:,} others; of random weights it flatters, they have no outliers. AUROC: mean over "
            "the report halves of the development files and their labels."
        ),
        "",
        (
            "| encoder | layers x hidden / embedding | parameters | fp32 | int8 | posts/s | ratio | mean difference | max "
            "| dev AUROC |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shape = f"{row.encoder.layers} x {row.encoder.hidden} / {row.encoder.embedding}"
        quality = "not trained" if not row.trained else "-" if row.auroc is None else f"{row.auroc:.4f}"
        cells = [row.encoder.name, shape, f"{row.parameters / 1e6:.1f} M"]
        cells += [f"{size / 1e6:.1f} MB" for size in (row.fp32_bytes, row.int8_bytes)]
        cells += [f"{row.posts_per_second:,.0f}", f"{row.ratio:.2f}", f"{row.mean:.4f}", f"{row.largest:.3f}", quality]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\n{row.encoder.name}: {row.encoder.note}." for row in rows if row.encoder.note]
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[Row], path: Path) -> None:
    """Dev quality against speed, a dot for each trained encoder; of the others, a line where they would stand."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for group in _as_fast(row for row in rows if row.auroc is None):
        axes.axvline(group[0].posts_per_second, color="lightgrey", linewidth=1)
        names, place = ", ".join(row.encoder.name for row in group), (group[0].posts_per_second, 0.02)
        axes.annotate(names, place, xycoords=("data", "axes fraction"), rotation=90, ha="right", fontsize=7)
    for group in _as_fast(row for row in rows if row.auroc is not None):
        for below, row in enumerate(sorted(group, key=lambda row: -(row.auroc or 0))):
            place = (row.posts_per_second, row.auroc or 0)
            axes.plot(*place, "o")
            axes.annotate(
                row.encoder.name, place, (0, -11 if below else 4), textcoords="offset points", ha="center", fontsize=8
            )
    axes.margins(x=0.12)
    low, high = axes.get_ylim()
    if high - low < LEAST_SPAN:
        middle = (low + high) / 2
        axes.set_ylim(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)
    axes.set_xscale("log")
    axes.set_xlabel("posts/s of one CPU, int8, serving path")
    axes.set_ylabel("mean dev AUROC")
    axes.set_title("Which encoder is light enough?")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _as_fast(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows whose speeds are too near for two names side by side."""
    groups: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.posts_per_second):
        if groups and row.posts_per_second < 1.1 * groups[-1][0].posts_per_second:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
