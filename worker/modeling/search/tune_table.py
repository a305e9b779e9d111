"""The trials of a search as a table: JSON and Markdown, best first."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.modeling.writing import write_text

RESULTS = "results.json"
TABLE = "results.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One trial: what it drew, and the mean AUROC over dev files and labels of the weights it would keep.

    `mean` is of the selection halves, which chose; `report_mean` of the other halves. Both None: it failed, see
    `state`. `epochs`: epochs trained; `state` is `finished`, `stopped` (by ASHA), `unfinished` or `failed: why`.
    """

    trial: str
    chosen: dict[str, Any]
    mean: float | None
    report_mean: float | None
    epochs: int
    state: str


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Best first; trials without a result last, in order of their names."""
    return sorted(rows, key=lambda row: (row.mean is None, -(row.mean or 0.0), row.trial))


def write_table(out: Path, rows: Sequence[Row], base: dict[str, Any]) -> str:
    """Write `results.json` (base recipe and trials) and `results.md` to `out`; return the Markdown."""
    best_first = ranked(rows)
    write_text(
        out / RESULTS, json.dumps({"base": base, "trials": [asdict(row) for row in best_first]}, indent=2) + "\n"
    )
    table = markdown(best_first)
    write_text(out / TABLE, table)
    return table


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table of the rows in their order, a column for each field that was searched."""
    fields = list(dict.fromkeys(field for row in rows for field in row.chosen))
    lines = ["| " + " | ".join([*fields, "mean AUROC", "report half", "epochs", "state"]) + " |"]
    lines.append("|" + "---|" * (len(fields) + 4))
    for row in rows:
        cells = [_number(row.chosen.get(field)) for field in fields]
        cells += [_area(row.mean), _area(row.report_mean), str(row.epochs), row.state.replace("|", "/")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"


def _area(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
