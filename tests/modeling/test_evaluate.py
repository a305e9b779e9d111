import json
import random
from pathlib import Path

import pytest

import worker
from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.evaluation.evaluate import beside
from worker.modeling.evaluation.report import summary
from worker.modeling.evaluation.run import Evaluation, run_evaluation
from worker.modeling.posts.halves import half_of
from worker.modeling.posts.labelled import read_labelled

BUNDLE = Path(worker.__file__).parent / "bundles" / "default"
GOOD = '{"id": "a", "text": "t", "labels": {"hate": 1}}\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eighty posts, with classes."""
    path = tmp_path / "posts.jsonl"
    write_posts(path, random.Random(1), 80)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = ("normal", "offensive", "hatespeech")
    path.write_text("".join(json.dumps({**row, "class": names[i % 3]}) + "\n" for i, row in enumerate(rows)))
    return path


@pytest.fixture
def train(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "one.train.jsonl", tmp_path / "two.train.jsonl"]
    for seed, path in enumerate(files):
        write_posts(path, random.Random(seed), 200)
    return files


def test_bundle_is_measured_beside_the_floors_and_reported(data: Path, train: list[Path], tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("a lovely day\n\nhello there\n")
    printed = run_evaluation(
        Evaluation(
            data=(data,),
            bundle=BUNDLE,
            baseline=True,
            per_source=True,
            train=tuple(train),
            unlabelled=lines,
            speed_posts=4,
            report=tmp_path / "report",
            json=tmp_path / "found.json",
        )
    )
    found = json.loads((tmp_path / "found.json").read_text())
    assert [floor["name"] for floor in found["floors"]] == ["mixed", "one", "two"]
    assert [set(row["floors"]) for row in found["beside"]] == [{"mixed", "one", "two"}] * 2
    assert {row["label"] for row in found["rows"]} == {"hate", "offensive"}
    assert all(row["ece_scaled"] is not None for row in found["rows"])
    assert found["pooled"][0]["files"] == ["posts.jsonl"]
    assert found["three_classes"][0]["posts"] == 80
    assert found["unlabelled"]["posts"] == 2
    assert found["speed"]["model_bytes"] == (BUNDLE / "model.onnx").stat().st_size
    assert "a lovely day" not in json.dumps(found)
    report = tmp_path / "report"
    assert {file.name for file in report.iterdir()} == {
        *("report.md", "metrics.json", "reliability.svg", "precision-recall.svg", "histograms.svg")
    }
    assert json.loads((report / "metrics.json").read_text()) == found
    text = (report / "report.md").read_text()
    assert "![reliability](reliability.svg)" in text
    assert text.startswith(printed[:200])
    for said in (
        *("over the best", "Three classes", "unlabelled posts of `lines.txt`", "posts/s", "| hate | 1 |"),
        *("recall at 1 / 5 % FPR", "macro-F1", "average precision", "scaled", "ECE (15 bins) of all posts together"),
        *("whose text is also in the measured files", " MB; ", " ms (p95 "),
    ):
        assert said in text


def test_half_measures_the_posts_of_that_half(data: Path, train: list[Path], tmp_path: Path) -> None:
    counts = {}
    for half in ("all", "report", "selection"):
        path = tmp_path / f"{half}.json"
        arguments = ["evaluate", "--baseline", "--train", *map(str, train), "--cache", str(tmp_path / "cache")]
        assert main([*arguments, "--data", str(data), "--half", half, "--json", str(path)]) == 0
        counts[half] = {row["label"]: row["posts"] for row in json.loads(path.read_text())["rows"]}["hate"]
    ids = [json.loads(line)["id"] for line in data.read_text().splitlines()]
    assert counts["report"] == sum(half_of(i) == "report" for i in ids)
    assert counts["report"] + counts["selection"] == counts["all"] == 80


def test_margin_is_over_the_best_floor_that_knows_the_label() -> None:
    rows = [{"file": "a", "label": "hate", "auroc": 0.8}, {"file": "a", "label": "offensive", "auroc": 0.7}]
    floors = [
        {"name": "mixed", "rows": [{"file": "a", "label": "hate", "auroc": 0.75}]},
        {
            "name": "one",
            "rows": [{"file": "a", "label": "hate", "auroc": 0.85}, {"file": "b", "label": "hate", "auroc": 1}],
        },
    ]
    (found,) = beside(rows, floors)
    assert found["floors"] == {"mixed": 0.75, "one": 0.85}
    assert found["margin"] == -0.05


def test_report_tells_of_groups_and_of_posts_that_could_not_be_scored() -> None:
    shares = {"positive": 0.5, "subgroup_auc": 0.8, "bpsn_auc": 0.7, "bnsp_auc": None, "fpr": 0.2, "fpr_gap": 0.1}
    group = {"file": "all files", "label": "hate", "group": "women", "posts": 40, **shares}
    rates = {"flagged": 0.5, "blocked": 0.0, "labels": {"hate": {"review": 0.5}}}
    groups, unlabelled = summary(
        {"groups": [group], "unlabelled": {"file": "a.txt", "posts": 2, "unscorable": 1, **rates}}
    )
    assert "| hate | women | 40 | 50% | 0.800 | 0.700 | - | 0.200 | +0.100 |" in groups
    assert (
        "50.0% would be flagged (hate 50.0%) and 0.0% blocked. Without a token, and so sent to review: 1" in unlabelled
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (GOOD + "no json\n", r"--data: .*bad\.jsonl:2: not a labelled post"),
        (GOOD + GOOD.replace('"a"', '"b"') + GOOD, r"bad\.jsonl:3: the id of line 1 again"),
        (GOOD + GOOD.replace("hate", "hat"), r"bad\.jsonl:2: .*unknown label 'hat'.*hate, offensive"),
        (GOOD.replace("1}", "null}"), r"bad\.jsonl: every label is null"),
        ("", r"bad\.jsonl: holds no posts"),
        (GOOD.replace("1}", "7}"), r"bad\.jsonl:1: .*not between 0 and 1"),
    ],
)
def test_file_that_cannot_be_measured_is_named_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(lines)
    with pytest.raises(Fatal, match=message) as error:
        read_labelled(path, ("hate", "offensive"))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data {data}", "give --bundle, --baseline or both"),
        ("--baseline --data {data}", "--train"),
        ("--baseline --train {data} --data {data} {data}", "two files are called posts.jsonl"),
        ("--baseline --train {data} --data {data} --unlabelled {data}", "--unlabelled: needs --bundle"),
        ("--bundle {bundle} --data {data} --train {data}", "--train: is about the floor: give --baseline"),
        ("--bundle {bundle} --data {data} --shuffle-labels 1", "--shuffle-labels: is about the floor: give --baseline"),
        ("--bundle {bundle} --data {one}", "both values of any of the labels"),
        ("--bundle {bundle} --data {data} --unlabelled {empty}", "no post that could be scored"),
        ("--baseline --train {train} --data {data} --json {data}/a.json", "cannot be written"),
        ("--baseline --train {data} --data {data}", "has both values there, texts of --data left out (80)"),
    ],
)
def test_call_that_cannot_be_answered_is_one_line_that_says_why(
    data: Path, train: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    one, empty = tmp_path / "one.jsonl", tmp_path / "empty.txt"
    one.write_text(GOOD)
    empty.write_text("\u200b\n")
    filled = arguments.format(data=data, train=train[0], bundle=BUNDLE, one=one, empty=empty)
    assert main(["evaluate", *filled.split()]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
