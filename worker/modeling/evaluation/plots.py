"""Figures of a report: one row for each label, one column for each file that knows both its values. SVG."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from worker.modeling.evaluation.known import known_scores
from worker.modeling.evaluation.metrics import BINS
from worker.modeling.evaluation.scoring import ScoredSet

FEW = 5
"""Posts in a bin of the reliability diagram under which its point says nothing and is left out."""
_POINTS = 200
"""Of a precision-recall curve: the eye sees no more."""

Truth = NDArray[np.int64]
Scores = NDArray[np.float64]
Draw = Callable[[Axes, Truth, Scores], None]


def draw_all(sets: Sequence[ScoredSet], labels: Sequence[str]) -> dict[str, str]:
    """SVG by the file's name: reliability, precision and recall, histograms of scores. The same scores, the same bytes."""
    kinds: dict[str, Draw] = {
        "reliability.svg": _reliability,
        "precision-recall.svg": _precision_recall,
        "histograms.svg": _histogram,
    }
    return {name: _figure(sets, labels, draw) for name, draw in kinds.items()}


def _figure(sets: Sequence[ScoredSet], labels: Sequence[str], draw: Draw) -> str:
    cells = [(label, each.name, *known_scores(each, k)) for k, label in enumerate(labels) for each in sets]
    drawn = [cell for cell in cells if len(set(cell[2].tolist())) > 1]
    rows = list(dict.fromkeys(label for label, *_ in drawn))
    columns = list(dict.fromkeys(name for _, name, *_ in drawn))
    figure = Figure(figsize=(2.6 * len(columns), 2.4 * len(rows)), layout="constrained")  # no pyplot: no display asked
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for label, name, truth, scores in drawn:
        axes = grid[rows.index(label), columns.index(name)]
        axes.set_axis_on()
        axes.set_title(f"{name.split('.')[0]}: {label}", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_size(7)
        axes.yaxis.label.set_size(7)
        draw(axes, truth, scores)
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "report", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _reliability(axes: Axes, truth: Truth, scores: Scores) -> None:
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    shown = counts >= FEW
    means = np.bincount(bins, scores, BINS)[shown] / counts[shown]
    shares = np.bincount(bins, truth, BINS)[shown] / counts[shown]
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(means, shares, marker="o", markersize=3, linewidth=1)
    axes.set(xlabel="mean score", ylabel="share of positives", xlim=(0, 1), ylim=(0, 1))


def _precision_recall(axes: Axes, truth: Truth, scores: Scores) -> None:
    precision, recall, _ = precision_recall_curve(truth, scores)
    kept = np.unique(np.linspace(0, len(recall) - 1, _POINTS).astype(int))
    axes.axhline(truth.mean(), color="0.7", linewidth=1)
    axes.plot(recall[kept], precision[kept], linewidth=1)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))


def _histogram(axes: Axes, truth: Truth, scores: Scores) -> None:
    edges = np.linspace(0, 1, 26).tolist()
    axes.hist(scores[truth == 0], edges, density=True, alpha=0.6, histtype="stepfilled", label="no")
    axes.hist(scores[truth == 1], edges, density=True, alpha=0.6, histtype="stepfilled", label="yes")
    axes.legend(fontsize=6, frameon=False)
    axes.set(xlabel="score", ylabel="density", xlim=(0, 1))
