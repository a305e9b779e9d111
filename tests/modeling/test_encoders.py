import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch
from transformers import ElectraModel

from worker.model.tokenizer import load_tokenizer
from worker.modeling.cli import main
from worker.modeling.commands.encoders import TOKENIZER
from worker.modeling.comparison import shapes as module
from worker.modeling.comparison import table as measuring
from worker.modeling.comparison.posts import made_up
from worker.modeling.comparison.report import plot
from worker.modeling.comparison.shapes import ENCODERS, Encoder, own_classifier, parameters
from worker.modeling.comparison.table import Comparison, Row
from worker.modeling.posts.halves import half_of
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier

TINY = (
    Encoder("small", 2, 16, 8, 2, 32),
    Encoder("odd heads", 1, 18, 18, 3, 24),
    Encoder("grouped", 2, 16, 16, 4, 32, groups=4, note="three quarters zeros"),
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENCODERS", TINY)


def arguments(out: Path, tokenizer: Path, *more: object) -> list[str]:
    return [
        "encoders",
        "--out",
        str(out),
        "--tokenizer",
        str(tokenizer),
        "--count",
        "12",
        "--rounds",
        "1",
        *map(str, more),
    ]


@pytest.mark.usefixtures("tiny")
def test_shapes_and_trained_classifiers_stand_in_one_table(
    classifier: Path, posts: Path, tokenizer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    more = ["--only", "odd heads", "grouped", "--classifier", f"ours={classifier}", "--data", posts, "--posts", posts]
    assert main(arguments(out, tokenizer_file, *more)) == 0
    rows = {row["encoder"]["name"]: row for row in json.loads((out / "encoders.json").read_text())}
    assert list(rows) == ["odd heads", "grouped", "ours"]
    assert rows["odd heads"]["ratio"] == 1
    assert rows["odd heads"]["auroc"] is None
    assert 0 < rows["ours"]["auroc"] < 1
    assert (rows["ours"]["encoder"]["hidden"], rows["ours"]["encoder"]["embedding"]) == (32, 16)
    reported = _reported(posts, tmp_path)
    alone = ["--only", "--classifier", f"ours={classifier}", "--data", reported, "--posts", posts]
    assert main(arguments(tmp_path / "again", tokenizer_file, *alone)) == 0
    again = json.loads((tmp_path / "again" / "encoders.json").read_text())
    assert again[-1]["auroc"] == rows["ours"]["auroc"]
    for row in rows.values():
        assert (row["compared"], row["calibrated"]) == (3, 9)
        assert row["int8_bytes"] < row["fp32_bytes"]
        assert row["posts_per_second"] > 0
        assert 0 < row["mean"] <= row["largest"] < 0.2
    table = (out / "encoders.md").read_text()
    assert table in capsys.readouterr().out
    assert "grouped: three quarters zeros." in table
    assert "on 3 of these posts after calibration on 9 others" in table
    assert (out / "encoders.png").read_bytes().startswith(b"\x89PNG")


def _reported(posts: Path, folder: Path) -> Path:
    """Posts whose selection half has other labels: nothing that is measured may change."""
    rows = [json.loads(line) for line in posts.read_text().splitlines()]
    for row in rows:
        if half_of(row["id"]) == "selection":
            row["labels"] = {"hate": 1 - row["labels"]["hate"], "offensive": None}
    path = folder / posts.name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def spied(monkeypatch: pytest.MonkeyPatch, name: str, position: int) -> list[set[str]]:
    """The texts of each call's argument at `position`."""
    real, seen = getattr(measuring, name), []

    def spy(*given: Any) -> Any:
        seen.append({example.text for example in given[position]})
        return real(*given)

    monkeypatch.setattr(measuring, name, spy)
    return seen


def test_posts_that_calibrate_are_not_those_compared(
    classifier: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated, scored = spied(monkeypatch, "tokenise", 1), spied(monkeypatch, "score_set", 2)
    texts = ("good", "bad", "the sun", "good", "bad", "rain", "going home", "well")
    measuring.measure(Comparison((), (("ours", classifier),), tokenizer_file, texts, rounds=1))
    assert scored[:2] == [{"good", "going home"}] * 2
    assert calibrated == [{*texts} - scored[0]]


def test_heads_of_single_sources_are_not_counted(encoder: Path) -> None:
    plain, headed = (
        Classifier(ElectraModel.from_pretrained(encoder), ClassifierConfig(("hate",), 32, sources=sources))
        for sources in ((), ("here", "there"))
    )
    assert sum(p.numel() for p in headed.parameters()) > sum(p.numel() for p in plain.parameters())
    assert parameters(headed) == parameters(plain) == sum(p.numel() for p in plain.parameters())


def test_plot_shows_quality_against_speed_of_encoders_that_have_one(tmp_path: Path) -> None:
    row = Row(TINY[0], 10, 10, 5, 0.01, 0.02, 3, 9, posts_per_second=500.0)
    rows = [replace(row, encoder=replace(row.encoder, name=name)) for name in ("small", "as small")]
    rows += [replace(row, encoder=replace(TINY[1], name=name), auroc=0.8) for name in ("ours", "theirs")]
    with mpl.rc_context({"svg.fonttype": "none"}):
        plot(rows, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text()
    dots = re.findall(r'<use xlink:href="#\w+" x="[\d.]+" y="[\d.]+" style="fill', drawn)
    for text in ("ours", "theirs", "small, as small", "mean dev AUROC", "posts/s of one CPU, int8, serving path"):
        assert f">{text}<" in drawn
    assert len(dots) == 2
    above, below = (re.findall(rf' y="([\d.]+)"[^>]*>{name}<', drawn) for name in ("ours", "theirs"))
    assert float(below[0]) - float(above[0]) > 8  # lines of text, though the dots lie on each other


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--only", "huge"], "--only 'huge': the shapes are 'small'"),
        (["--only", "--posts", "{missing}"], "missing: cannot be read"),
        (["--only", "small", "--classifier", "nonsense"], "NAME=DIR"),
        (["--only"], "nothing to compare"),
        (["--rounds", "0"], "at least 1"),
        (["--count", "1"], "at least two different ones"),
    ],
)
def test_request_that_cannot_be_met_is_one_line_and_writes_nothing(
    tokenizer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    filled = [text.format(missing=tmp_path / "missing") for text in more]
    assert main(arguments(tmp_path / "out", tokenizer_file, *filled)) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_grouped_shape_holds_blocks_alone_and_counts_only_them() -> None:
    grouped = own_classifier(TINY[2], 40)
    weight = grouped.electra.encoder.layer[0].intermediate.dense.weight  # type: ignore[union-attr, index]
    assert torch.count_nonzero(weight) == 32 * 16 // 4
    assert torch.count_nonzero(grouped.electra.encoder.layer[0].attention.output.dense.weight) == 16 * 16  # type: ignore[union-attr, index]
    nonzero = sum(
        int(torch.count_nonzero(p)) for name, p in grouped.named_parameters() if name.endswith("dense.weight")
    )
    dense = sum(p.numel() for name, p in grouped.named_parameters() if name.endswith("dense.weight"))
    everything = sum(p.numel() for p in grouped.parameters())
    heads = 3 * 2 * (16 * 16 - 16 * 16 // 4)  # query, key and value of two layers
    assert parameters(grouped, 4) == everything - (dense - nonzero) - heads


def test_shapes_are_the_published_ones() -> None:
    shapes = {e.name: (e.layers, e.hidden, e.embedding, e.heads, e.intermediate) for e in ENCODERS}
    assert shapes["ELECTRA-small 12x256"] == (12, 256, 128, 4, 1024)
    assert shapes["TinyBERT 4x312"] == (4, 312, 312, 12, 1200)
    assert shapes["BERT-base 12x768"] == (12, 768, 768, 12, 3072)


def test_made_up_posts_have_the_lengths_of_real_ones() -> None:
    tokenizer = load_tokenizer(TOKENIZER)
    lengths = sorted(len(tokenizer.encode(text).ids) for text in made_up(tokenizer, 1000))
    assert 18 < lengths[500] < 28
    assert 60 < lengths[950] < 110
