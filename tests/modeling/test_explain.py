"""`moderation-model explain`: integrated gradients, the page, and what the command says and writes."""

import json
import math
from pathlib import Path

import pytest

from worker.explain.method import Explanation, WordWeight, carrying, explain, log_odds
from worker.modeling.cli import main
from worker.modeling.explain.gradients import IntegratedGradients
from worker.modeling.explain.page import page

TEXT = "The good sun, the bad rain"


def test_weights_add_up_to_what_the_text_has_more_than_padding(classifier: Path) -> None:
    method = IntegratedGradients(classifier, steps=64)
    for label in (0, 1):
        carried = carrying(method, TEXT, label)
        assert carried is not None
        passage, score = carried
        padding = (passage.window[0], *[0] * (len(passage.window) - 2), passage.window[-1])
        [baseline] = method.score([padding])

        weights = method.weigh(passage, label)

        more = log_odds(score) - log_odds(baseline[label])
        assert len(weights) == len(passage.words) == 7
        assert abs(more) > 0.005  # or any weights near 0 would do
        assert sum(weights) == pytest.approx(more, abs=0.0005)
        assert method.gaps[-1] < 0.0005


def test_gap_says_when_there_are_too_few_points(classifier: Path) -> None:
    coarse, fine = IntegratedGradients(classifier, steps=1), IntegratedGradients(classifier, steps=64)
    for method in (coarse, fine):
        explain(method, TEXT, "hate")
    assert coarse.gaps[0] > 10 * fine.gaps[0]


def test_page_shows_what_posts_hold_and_interprets_none_of_it() -> None:
    text = '<script>alert("x")</script> bad & end'
    start = text.index("bad")
    explanations = [
        Explanation("rude", 0.91, (WordWeight(0, 1, 0.0), WordWeight(start, start + 3, 2.5))),
        Explanation("<b>", 0.1, ()),
    ]

    found = page("A <title>", [("<id>", text, explanations)])

    assert "<script" not in found
    assert "&lt;script&gt;" in found
    assert "<b>&lt;b&gt; 0.10</b>" in found
    assert "<b>rude 0.91</b>" in found
    assert 'title="+2.50">bad</span><span class="rest"> &amp; end</span>' in found
    assert "http" not in found.replace("http-equiv", "")


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    path = tmp_path / "marked.jsonl"
    row = {"text": TEXT, "labels": {"hate": 1, "offensive": None}, "spans": [[18, 21]]}
    path.write_text("".join(json.dumps({"id": f"m{n}", **row}) + "\n" for n in range(6)))
    return path


def test_posts_are_explained_on_a_page_and_as_offsets(
    classifier: Path, marked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html, rows = tmp_path / "page.html", tmp_path / "rows.jsonl"
    options = f"--steps 2 --data {marked} --posts 2 --html {html} --json {rows} --text"

    assert main([*f"explain --classifier {classifier} {options}".split(), "bad day"]) == 0

    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["id"] for row in found] == ["text 1", "m0", "m1"]
    words = found[1]["explanations"][0]["words"]
    assert [TEXT[word["start"] : word["end"]] for word in words] == ["The", "good", "sun", ",", "the", "bad", "rain"]
    assert [one["label"] for one in found[1]["explanations"]] == ["hate", "offensive"]
    assert html.read_text().count("<h2>") == 3
    printed = capsys.readouterr().out
    assert printed.startswith("text 1  hate 0.")
    assert "\x1b" not in printed


def test_measures_are_printed_as_tables_and_written_as_json(
    classifier: Path, marked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "measures.json"

    assert main(f"explain --classifier {classifier} --steps 2 --measure --data {marked} --json {file}".split()) == 0

    printed = capsys.readouterr().out
    assert "| marked.jsonl | hate | " in printed
    assert "| hate | no group | " in printed
    found = json.loads(file.read_text())
    assert [row["label"] for row in found["quality"]] == ["hate"]
    assert all(math.isfinite(figure) for figure in found["quality"][0]["control"].values())
    assert {row["group"] for row in found["terms"]} > {"no group", "muslims"}
    assert found["completeness_gap"]["passages"] > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--classifier {classifier}", "give --data or --text"),
        ("--classifier {classifier} --text bad --label spam", "no label 'spam'; its labels are hate, offensive"),
        ("--classifier {classifier} --text bad --method occlusion", "give --bundle"),
        ("--classifier {classifier} --text bad --steps 0", "--steps is 0"),
        ("--bundle {bundle} --text bad --steps 8", "--steps is of integrated gradients: give --classifier"),
        ("--classifier {classifier} --measure --data {wrong} --html a.html", "leave them out with --measure"),
        ("--bundle {missing} --text bad --method integrated-gradients", "give --classifier"),
        ("--classifier {missing} --text bad", "not a trained classifier"),
        ("--classifier {classifier} --data {wrong}", "wrong.jsonl:2: not a post: TypeError('text is a int')"),
        ("--classifier {classifier} --data {missing}", "cannot be read"),
        ("--classifier {classifier} --data {empty}", "empty.jsonl: holds no posts"),
        ("--classifier {classifier} --measure --data {empty}", "empty.jsonl: holds no posts"),
    ],
)
def test_wrong_options_and_files_end_in_one_line_that_says_what_to_change(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"id": "1", "text": "the sun"}\n{"id": "2", "text": 3}\n')
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    filled = arguments.format(
        classifier=classifier, bundle="unread", missing=tmp_path / "missing", wrong=wrong, empty=empty
    )

    assert main(["explain", *filled.split()]) == 1

    assert message in capsys.readouterr().err.splitlines()[-1]
