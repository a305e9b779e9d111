"""What the demo shows: a line for each verdict and dead letter, and a closing summary."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.text import Text

STYLES = {"allow": "green", "review": "yellow", "block": "bold red", "deleted": "dim", "dead letter": "magenta"}
WIDTHS = (8, 11, 10, 34)
PLAIN_WIDTH = 160
"""Columns where the output is no terminal: long enough for a text to be recognised, short enough for a log."""
MOST_SCORES = 3
ORDER = "Order holds within a partition: rows of different partitions, and dead letters, may come out of post order."


@dataclass(frozen=True, slots=True)
class Row:
    """One record that the worker published."""

    action: str
    post: str
    about: str
    """Scores, or why there are none."""
    text: str


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the command line answer: rich would end the process from within a task."""
        raise  # noqa: PLE0704 - rich calls this while it handles the BrokenPipeError


class Screen:
    """Prints rows as they come: coloured and cut to a terminal's width, else as plain lines."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _Console(highlight=False)
        self._actions: Counter[str] = Counter()
        self._latencies: list[float] = []

    def say(self, line: str) -> None:
        """Print a line of prose, whole."""
        self._console.print(line, soft_wrap=True, markup=False)

    def heading(self) -> None:
        """Print why rows are not in the posts' order, and the names of the columns."""
        self.say(ORDER)
        self._line(("time", "action", "post", "scores", "text"), "bold")

    def row(self, row: Row, latency_ms: float | None = None) -> None:
        """Print and count one row."""
        self._actions[row.action] += 1
        if latency_ms is not None:
            self._latencies.append(latency_ms)
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        self._line((now, row.action, row.post, row.about, row.text), "", STYLES.get(row.action, ""))

    def summary(self, posts: int) -> None:
        """Print what came of `posts` records."""
        actions = ", ".join(f"{self._actions[action]} {action}" for action in ("allow", "review", "block", "deleted"))
        latency = f"; median latency {median(self._latencies):.0f} ms" if self._latencies else ""
        self.say(f"\n{posts} posts: {actions}; {self._actions['dead letter']} to the dead letters{latency}")

    def _line(self, cells: tuple[str, ...], style: str, action_style: str = "") -> None:
        line = Text(style=style, no_wrap=True, overflow="ellipsis")
        for index, (cell, width) in enumerate(zip(cells[:-1], WIDTHS, strict=True)):
            part = Text(cell, style=action_style if index == 1 else "")
            part.truncate(width, overflow="ellipsis", pad=True)
            line.append_text(part).append("  ")
        line.append(cells[-1])
        line.truncate(self._console.width if self._console.is_terminal else PLAIN_WIDTH, overflow="ellipsis")
        line.rstrip()
        self._console.print(line, soft_wrap=True)


def scores_text(scores: Mapping[str, Any]) -> str:
    """The highest scores, highest first where there are too many for the column."""
    shown = list(scores.items())
    if len(shown) > MOST_SCORES:
        shown = sorted(shown, key=lambda item: -item[1])[:MOST_SCORES]
    return "  ".join(f"{label} {score:.2f}" for label, score in shown)
