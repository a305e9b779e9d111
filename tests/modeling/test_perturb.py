"""Perturbed copies: new to a teacher, like its posts, the same every time."""

import json
from pathlib import Path
from typing import Any

import pytest

from worker.modeling.cli import main

SENTENCE = "the quick brown fox jumps over a lazy dog while seven clever cats are watching it from some warm roof"
WORDS = SENTENCE.split()


@pytest.fixture
def forum(tmp_path: Path) -> Path:
    path = tmp_path / "forum.train.jsonl"
    posts = [{"id": str(i), "text": " ".join(WORDS[i % 7 : 8 + i % 12]), "labels": {"hate": i % 2}} for i in range(200)]
    path.write_text("".join(json.dumps(post) + "\n" for post in [*posts, {"id": "short", "text": "too short"}]))
    return path


def copies_of(forum: Path, *options: str) -> list[dict[str, Any]]:
    out = forum.with_name("perturbed.jsonl")
    assert main(["perturb", "--posts", str(forum), "--out", str(out), *options]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_copies_are_the_files_own_words_without_labels(forum: Path) -> None:
    rows = copies_of(forum, "--copies", "2")
    long = [row for row in map(json.loads, forum.read_text().splitlines()) if len(row["text"].split()) >= 4]
    assert [row["id"] for row in rows] == [f"{row['id']}-copy-{copy}" for row in long for copy in (0, 1)]
    assert {word for row in rows for word in row["text"].split()} <= {*WORDS, "too", "short"}
    assert all(row["labels"] == {} and row["text"] and row["source"] == "forum" for row in rows)
    before = {row["id"]: row["text"] for row in long}
    changed = sum(row["text"] != before[row["id"].split("-")[0]] for row in rows)
    assert changed > 0.7 * len(rows)
    kept = sum(len(set(row["text"].split()) & set(before[row["id"].split("-")[0]].split())) for row in rows)
    assert kept > 0.6 * sum(len(set(before[row["id"].split("-")[0]].split())) for row in rows)


def test_seed_alone_decides(forum: Path) -> None:
    first = copies_of(forum)
    assert copies_of(forum) == first
    assert copies_of(forum, "--seed", "1") != first


def test_share_of_the_words_can_be_exchanged(forum: Path) -> None:
    before = {row["id"]: row["text"].split() for row in map(json.loads, forum.read_text().splitlines())}

    def kept(*options: str) -> float:
        rows = copies_of(forum, *options)
        shares = [
            len(set(r["text"].split()) & set(before[r["id"].split("-")[0]])) / len(r["text"].split()) for r in rows
        ]
        return sum(shares) / len(shares)

    assert kept("--exchanged", "0") == 1
    assert kept("--exchanged", "0.9") < kept("--exchanged", "0.5") < kept() < 1
    some = copies_of(forum, "--exchanged", "0.5")
    assert some[0]["id"] == "0-copy-0.5-0"
    same = [len(a["text"].split()) == len(b["text"].split()) for a, b in zip(some, copies_of(forum), strict=True)]
    assert sum(same) < 0.7 * len(same)  # cut elsewhere, too


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ('{"id": "a", "text": "two words"}\n', "", "no post of at least 4 words"),
        ("not json\n", "", ":1: not a post"),
        ('{"id": "a", "text": "one two three four"}\n', "--copies 0", "--copies"),
        (
            '{"id": "a", "text": "one two three four"}\n',
            "--posts a.jsonl b/a.jsonl",
            "--posts: two files are called a.jsonl",
        ),
        ('{"id": "a", "text": "one two three four"}\n', "--exchanged 0.95", "--exchanged 0.95: from 0 to 0.9"),
    ],
)
def test_what_cannot_be_perturbed_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, options: str, message: str
) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    out = tmp_path / "out.jsonl"
    assert main(["perturb", "--posts", str(tmp_path / "a.jsonl"), "--out", str(out), *options.split()]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()
