"""The Markdown report of an evaluation, rendered from its JSON alone: no number in it is typed by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.modeling.evaluation.metrics import Row, markdown, table
from worker.modeling.writing import write_text

Content = Mapping[str, Any]


def write_report(directory: Path, content: Content, plots: Mapping[str, str]) -> Path:
    """Write `metrics.json`, the plots (SVG by file name) and, last, `report.md`. Raises Fatal where it cannot."""
    write_text(directory / "metrics.json", json.dumps(content, indent=2) + "\n")
    for name, svg in plots.items():
        write_text(directory / name, svg)
    path = directory / "report.md"
    write_text(path, render(content, list(plots)))
    return path


def render(content: Content, plots: Sequence[str] = ()) -> str:
    """The report as text."""
    parts = ["# Evaluation\n", str(content["note"]) + "\n", markdown(rows_of(content))]
    parts += summary(content)
    parts += [f"![{name.removesuffix('.svg')}]({name})\n" for name in plots]
    return "\n".join(parts)


def rows_of(content: Content) -> list[Row]:
    """The rows of an evaluation's JSON. Raises KeyError or TypeError where another version wrote it."""
    return [Row(**row) for row in content["rows"]]


def summary(content: Content) -> list[str]:
    """Whatever else was measured, each with a sentence that says how to read it. Raises KeyError as `rows_of` does."""
    sections = (
        ("pooled", _pooled),
        ("three_classes", _three_classes),
        ("beside", _beside),
        ("floors", _floors),
        ("groups", _groups),
        ("unlabelled", _unlabelled),
        ("speed", _speed),
    )
    return [text for key, section in sections if content.get(key) and (text := section(content[key]))]


def _pooled(pools: Sequence[Content]) -> str:
    columns = ["all files", "files", "AUROC", "average precision", "recall at 5 % FPR", "balanced accuracy at 0.5"]
    columns += ["macro-F1 at 0.5", "ECE", "by chance", "scaled"]
    keys = ("auroc", "average_precision", "recall_at_fpr_5", "balanced_accuracy_at_half", "macro_f1_at_half")
    lines = [
        [
            p["label"],
            str(len(p["files"])),
            *(f"{p[key]:.3f}" for key in (*keys, "ece", "ece_chance")),
            _or_dash(p["ece_scaled"]),
        ]
        for p in pools
    ]
    return (
        "Over all files, each with equal weight: means, and ECE (15 bins) of all posts together. `by chance`: what "
        "perfectly calibrated scores would show on these posts (labels drawn by the scores). `scaled`: after "
        "temperature scaling, fitted on the half of the posts (by a hash of their ids) that it is not measured on.\n\n"
        + table(columns, lines)
    )


def _three_classes(rows: Sequence[Content]) -> str:
    lines = [
        [r["file"], f"{r['posts']:,}", *(f"{r[k]:.3f}" for k in ("macro_f1", "f1_normal", "f1_offensive", "f1_hate"))]
        for r in rows
    ]
    return "Three classes: hate from 0.5, else offensive from 0.5, else normal.\n\n" + table(
        ["file", "posts", "macro-F1", "F1 normal", "F1 offensive", "F1 hate"], lines
    )


def _beside(rows: Sequence[Content]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row["floors"]))
    lines = [
        [
            r["file"],
            r["label"],
            f"{r['auroc']:.3f}",
            *(_or_dash(r["floors"].get(n)) for n in names),
            f"{r['margin']:+.3f}",
        ]
        for r in rows
    ]
    below = [f"{r['file']} {r['label']} by {-r['margin']:.3f}" for r in rows if r["margin"] < 0]
    losing = f" **Below the best floor: {', '.join(below)}.**" if below else ""
    return f"AUROC beside the TF-IDF floors.{losing}\n\n" + table(
        ["file", "label", "AUROC", *names, "over the best"], lines
    )


def _floors(floors: Sequence[Content]) -> str:
    return "\n".join(f"- {floor['name']}: {floor['note']}" for floor in floors) + "\n"


def _groups(rows: Sequence[Content]) -> str:
    """Of all files together alone: single files are in the JSON."""
    first = rows[0]["file"]
    keys = ("subgroup_auc", "bpsn_auc", "bnsp_auc", "fpr")
    lines = [
        [
            r["label"],
            r["group"],
            f"{r['posts']:,}",
            f"{r['positive']:.0%}",
            *(_or_dash(r[k]) for k in keys),
            f"{r['fpr_gap']:+.3f}",
        ]
        for r in rows
        if r["file"] == first
    ]
    return (
        f"Posts that name a group ({first}; Borkan et al. 2019). A low BPSN says that naming the group raises scores, "
        "a low BNSP that it lowers them; the gap is the false-positive rate less that of all other posts, at the "
        "review threshold.\n\n"
        + table(["label", "group", "posts", "positive", "subgroup AUC", "BPSN", "BNSP", "FPR", "gap"], lines)
    )


def _unlabelled(found: Content) -> str:
    labels = ", ".join(f"{name} {rates['review']:.1%}" for name, rates in found["labels"].items())
    rest = f" Without a token, and so sent to review: {found['unscorable']:,} more." if found["unscorable"] else ""
    return (
        f"Of {found['posts']:,} unlabelled posts of `{found['file']}`, {found['flagged']:.1%} would be flagged "
        f"({labels}) and {found['blocked']:.1%} blocked.{rest}\n"
    )


def _speed(found: Content) -> str:
    return (
        f"Size and speed: {found['model_bytes'] / 1e6:.1f} MB; {found['posts_per_second']:,.0f} posts/s on one thread, "
        f"a post alone {found['alone_ms_median']:.1f} ms (p95 {found['alone_ms_p95']:.1f}), {found['cpu']}, "
        f"{found['posts']:,} posts. Noisy: compare only figures taken side by side.\n"
    )


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
