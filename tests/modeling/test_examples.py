import json
from pathlib import Path
from typing import Any

import pytest

from worker.core.errors import Fatal
from worker.modeling.posts.examples import read_examples, read_unlabelled

LABELS = ("hate", "offensive")


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(number: int, hate: float | None, offensive: float | None, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "text": "a post", "labels": {"hate": hate, "offensive": offensive}, **more}


def test_label_of_one_value_is_unknown_in_that_file(tmp_path: Path) -> None:
    file = write(tmp_path / "davidson.train.jsonl", row(0, 0, 1), row(1, 1, 1), row(2, None, 1))
    examples = read_examples(file, LABELS)
    assert [e.labels for e in examples] == [(0, None), (1, None), (None, None)]
    assert {e.source for e in examples} == {"davidson"}
    votes = ({"offensive": 2, "neither": 1}, {"offensive": 3})  # two shares of positives are one side still
    file = write(tmp_path / "spans.jsonl", *(row(n, n, 1, votes=given) for n, given in enumerate(votes)))
    assert {e.labels[1] for e in read_examples(file, ("hate", "offensive", "spam"), soft=True)} == {None}


def test_twin_is_found_by_an_id_that_is_a_number(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {**row(1, 0, 0), "id": 17}, row(2, 1, 0, pair=17))
    assert [(e.id, e.pair) for e in read_examples(file, LABELS)] == [("17", None), ("2", "17")]


def test_positives_alone_are_labels_where_clean_posts_balance_them(tmp_path: Path) -> None:
    file = write(tmp_path / "spans.jsonl", row(0, None, 1), row(1, None, 1))
    assert [e.labels for e in read_examples(file, LABELS, one_sided=True)] == [(None, 1), (None, 1)]


def test_votes_become_shares_and_the_graver_label_implies_the_milder(tmp_path: Path) -> None:
    votes = {"hate": 1, "offensive": 2, "neither": 1}
    file = write(tmp_path / "a.jsonl", row(0, 0, 1, votes=votes), row(1, 0, 0, votes={"neither": 3}), row(2, 1, 0))
    assert read_examples(file, LABELS, soft=True)[0].labels == (0.25, 0.75)
    assert read_examples(file, LABELS)[0].labels == (0, 1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"id": "1", "text": "a", "labels": {"hate": 1, "offensiv": 0}}, "unknown label 'offensiv': .*hate, offensive"),
        (row(1, 2, 0), "not between 0 and 1"),
        (row(1, 1, 0, votes={"hate": 3, "neither": -1}), "votes are"),
        ({"id": "1", "text": 3, "labels": {"hate": 1}}, "text is a int"),
        ({"id": "1", "text": "a"}, "labels"),
        ([], "list indices"),
    ],
)
def test_bad_row_is_named_with_file_and_line(tmp_path: Path, bad: Any, message: str) -> None:
    file = write(tmp_path / "posts.jsonl", row(0, 1, 0), bad)
    with pytest.raises(Fatal, match=rf"posts\.jsonl:2.*{message}"):
        read_examples(file, LABELS, soft=True)


def test_file_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"nulls\.jsonl: every label is null"):
        read_examples(write(tmp_path / "nulls.jsonl", row(0, None, None)), LABELS)


def test_file_that_is_empty_is_named(tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.touch()
    with pytest.raises(Fatal, match=r"posts\.jsonl: holds no posts"):
        read_examples(file, LABELS)
    with pytest.raises(Fatal, match=r"posts\.jsonl: holds no posts"):
        read_unlabelled(file, 2)


def test_unlabelled_posts_have_no_labels(tmp_path: Path) -> None:
    (example,) = read_unlabelled(write(tmp_path / "reddit.jsonl", row(0, 1, 1)), 2)
    assert example.labels == (None, None)
    assert example.source == "reddit"
