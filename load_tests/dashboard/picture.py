"""A picture of the dashboard: its panels where Grafana puts them, with the values that Prometheus answers."""

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator
from PIL import Image

from load_tests.dashboard.board import Panel, board, filled, panels
from load_tests.dashboard.check import values
from load_tests.dashboard.live import Scene
from load_tests.dashboard.prometheus import Series
from load_tests.dashboard.units import written

COLUMN, LINE = 0.62, 0.36
"""Inches of one unit of Grafana's grid."""
DOTS_PER_INCH = 100
ROWS_AT_A_GLANCE = 2
COLOURS = 64
"""Of the file: flat areas and thin lines need no more."""

PAGE, PAPER, INK, FAINT, GRID = "#111217", "#181b1f", "#d8d9da", "#8e8e99", "#2c2f36"
LEVELS = {"green": "#37872d", "yellow": "#c69026", "orange": "#d9590b", "red": "#c4162a"}
FIXED = {"green": "#73bf69", "yellow": "#fade2a", "orange": "#ff9830", "red": "#f2495c"}
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#ca95e5", "#37872d", "#fade2a")


def draw(scene: Scene, folder: Path) -> None:
    """Write dashboard.png, the rows to look at first, and dashboard-all.png."""
    model = board()
    rows = [panel["gridPos"]["y"] for panel in model["panels"] if panel["type"] == "row"]
    shown = [panel for panel in model["panels"] if panel["gridPos"]["y"] < rows[ROWS_AT_A_GLANCE]]
    _draw(scene, {**model, "panels": shown}, folder / "dashboard.png")
    _draw(scene, model, folder / "dashboard-all.png")


def _draw(scene: Scene, model: Mapping[str, Any], file: Path) -> None:
    width = 24 * COLUMN
    height = (1 + max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in model["panels"])) * LINE
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=PAGE)
    place = _Places(figure, width, height)
    about = (
        f"{model['title']}     {_clock(scene.start)} to {_clock(scene.end)} UTC, every panel as asked of Prometheus;"
        f" an hour of the rules is {3600 / scene.prometheus.pace.quicken:g} s"
    )
    place.text(0.1, 0.6, about, size=11)
    for panel in model["panels"]:
        if panel["type"] == "row":
            place.text(0.1, panel["gridPos"]["y"] + 1.6, f"⌄ {panel['title']}", size=11)
    alerts = _alerts(scene, model)
    for shown in panels(model):
        axes = place.axes(shown.model["gridPos"])
        answers = _answers(shown, scene)
        if shown.model["type"] == "stat":
            _number(axes, shown, answers)
        else:
            _lines(axes, shown, answers, scene, alerts)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


class _Places:
    """Grafana's grid on a figure; `y` counts from the top, below one line for the title."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self._figure, self._width, self._height = figure, width, height

    def axes(self, place: Mapping[str, int]) -> Axes:
        """A panel's area with its paper drawn."""
        gap = 0.06
        left, right = place["x"] * COLUMN + gap, (place["x"] + place["w"]) * COLUMN - gap
        top = self._height - (place["y"] + 1) * LINE - gap
        bottom = self._height - (place["y"] + 1 + place["h"]) * LINE + gap
        box = (left / self._width, bottom / self._height, (right - left) / self._width, (top - bottom) / self._height)
        paper = self._figure.add_axes(box, facecolor=PAPER, xticks=[], yticks=[])
        paper.spines[:].set_color(GRID)
        return paper

    def text(self, x: float, y: float, text: str, size: float) -> None:
        self._figure.text(
            x / self._width, 1 - y * LINE / self._height, text, color=INK, size=size, va="center", weight="bold"
        )


def _answers(panel: Panel, scene: Scene) -> list[tuple[str, Series]]:
    chosen = values(scene)
    step = max(scene.prometheus.pace.scrape, (scene.end - scene.start) / 200)
    found = []
    for expression, legend in panel.queries:
        for series in scene.prometheus.ask(filled(expression, chosen), scene.start, scene.end, step):
            name = legend
            for label, value in series.labels.items():
                name = name.replace(f"{{{{{label}}}}}", value)
            found.append((name, series))
    return found


def _alerts(scene: Scene, model: Mapping[str, Any]) -> Sequence[float]:
    """When each alert began to fire."""
    [annotation] = model["annotations"]["list"]
    found = scene.prometheus.ask(filled(annotation["expr"], values(scene)), scene.start, scene.end, 1)
    return [series.points[0][0] for series in found]


def _number(axes: Axes, panel: Panel, answers: Sequence[tuple[str, Series]]) -> None:
    defaults = panel.model["fieldConfig"]["defaults"]
    [(_, series)] = answers
    value = series.points[-1][1]
    steps = defaults["thresholds"]["steps"]
    if len(steps) > 1:
        level = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
        axes.set_facecolor(LEVELS[level])
    axes.text(0.04, 0.86, panel.title, color="white", size=8, va="center", weight="bold", transform=axes.transAxes)
    text = written(value, defaults["unit"], defaults.get("decimals"))
    axes.text(0.5, 0.54, text, color="white", size=20, ha="center", va="center", transform=axes.transAxes)
    spark = axes.inset_axes((0, 0, 1, 0.32), facecolor="none")
    spark.axis("off")
    times, points = zip(*series.points, strict=True)
    spark.fill_between(times, points, color="white", alpha=0.25, linewidth=0)
    spark.plot(times, points, color="white", alpha=0.6, linewidth=0.8)
    spark.set_ylim(0, max(*points, 1e-9) * 1.1)
    spark.margins(x=0)


def _lines(
    axes: Axes, panel: Panel, answers: Sequence[tuple[str, Series]], scene: Scene, alerts: Sequence[float]
) -> None:
    defaults = panel.model["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    axes.text(0.015, 0.93, panel.title, color=INK, size=8.5, va="center", weight="bold", transform=axes.transAxes)
    inner = axes.inset_axes((0.1, 0.24, 0.88, 0.62), facecolor="none")
    colours = _colours(panel, [name for name, _ in answers])
    if custom["stacking"]["mode"] == "normal":
        _stack(inner, answers, colours)
    else:
        for name, series in answers:
            times, points = zip(*series.points, strict=True)
            steps = "steps-post" if custom["lineInterpolation"] == "stepAfter" else "default"
            inner.plot(times, points, color=colours[name], linewidth=1.1, drawstyle=steps)
    bottom, top = inner.get_ylim()
    inner.set_ylim(min(0, bottom), max(top, custom.get("axisSoftMax") or 0, 1e-3 if top < 1e-3 else 0))
    limits = [step["value"] for step in defaults.get("thresholds", {}).get("steps", []) if step["value"] is not None]
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed" and limits and limits[0] <= inner.get_ylim()[1]:
        inner.axhline(limits[0], color="#f2495c", linewidth=1, linestyle=(0, (4, 3)))
    for at in alerts:
        inner.axvline(at, color="#f2495c", alpha=0.55, linewidth=0.7, linestyle=(0, (2, 2)))
    _ticks(inner, scene, defaults["unit"])
    _legend(axes, colours, 24 / panel.model["gridPos"]["w"])


def _stack(axes: Axes, answers: Sequence[tuple[str, Series]], colours: Mapping[str, str]) -> None:
    times = sorted({at for _, series in answers for at, _ in series.points})
    base = [0.0] * len(times)
    for name, series in answers:
        points = dict(series.points)
        layer = [points.get(at, 0.0) for at in times]
        width = (times[-1] - times[0]) / max(1, len(times) - 1) if len(times) > 1 else 1.0
        axes.bar(times, layer, width=width, bottom=base, color=colours[name], linewidth=0)
        base = [below + here for below, here in zip(base, layer, strict=True)]


def _ticks(axes: Axes, scene: Scene, unit: str) -> None:
    axes.set_xlim(scene.start, scene.end)
    marks = [scene.start + (scene.end - scene.start) * share for share in (0.02, 0.34, 0.66, 0.97)]
    axes.set_xticks(marks, [_clock(mark) for mark in marks], color=FAINT, size=6.5)
    lower, upper = axes.get_ylim()
    if unit == "bytes":
        axes.yaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(upper / 5))))
    elif unit == "s" and upper > 60:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 1.5, 3, 6, 10]))
    heights = [tick for tick in axes.get_yticks() if lower <= tick <= upper]
    axes.set_yticks(heights, [written(tick, unit, None) for tick in heights], color=FAINT, size=6.5)
    axes.tick_params(length=0)
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[:].set_visible(False)


def _legend(axes: Axes, colours: Mapping[str, str], narrow: float) -> None:
    """`narrow`: how many panels of this width fill a row, to which the room that letters take is proportional."""
    letter = 0.0042 * narrow
    x = 0.03
    for name, colour in colours.items():
        if x + letter * len(name) > 0.99:
            axes.text(x, 0.07, "…", color=FAINT, size=7, transform=axes.transAxes, va="center")
            break
        axes.text(x, 0.07, "━", color=colour, size=7, transform=axes.transAxes, va="center")
        axes.text(x + 0.009 * narrow, 0.07, name, color=FAINT, size=7, transform=axes.transAxes, va="center")
        x += 0.018 * narrow + letter * len(name)


def _colours(panel: Panel, names: Sequence[str]) -> dict[str, str]:
    """Of each legend, in their order: what the panel says, else the next of the palette."""
    said = {
        override["matcher"]["options"]: FIXED[override["properties"][0]["value"]["fixedColor"]]
        for override in panel.model["fieldConfig"]["overrides"]
    }
    others = itertools.cycle(colour for colour in PALETTE if colour not in said.values())
    return {name: said.get(name) or next(others) for name in dict.fromkeys(names)}


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
