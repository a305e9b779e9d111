"""`classify --explain`: the very verdicts of `classify`, each with the words that carried its scores."""

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from worker.cli import main
from worker.wire.schemas import validator

COMMAND = (sys.executable, "-m", "worker", "classify")
TEXT = "You stupid worthless idiot, get lost"
POSTS = (
    {"id": "rude", "text": TEXT},
    {"id": "kind", "text": "Happy birthday, grandma!"},
    {"id": "title", "title": TEXT, "text": "See you in the park."},
    {"id": "nul", "text": "\0" + TEXT},
    {"text": "no id"},
)


pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def posts_file(tmp_path: Path) -> Path:
    file = tmp_path / "posts.jsonl"
    file.write_text("".join(json.dumps(post) + "\n" for post in POSTS))
    return file


def classified(posts_file: Path, *options: str) -> list[dict[str, Any]]:
    output = posts_file.with_name("verdicts.jsonl")
    assert main(["classify", str(posts_file), "--output", str(output), *options]) == 0
    return [json.loads(line) for line in output.read_bytes().splitlines()]


def test_explained_verdicts_are_those_of_classify_and_keep_the_schema(posts_file: Path) -> None:
    plain, explained = classified(posts_file), classified(posts_file, "--explain")

    for one, other in zip(plain, explained, strict=True):
        assert validator("verdict.v1").is_valid(other)
        assert "explanations" in other
        assert list(other) == [*one, "explanations"]
        differing = {"processed_at", "explanations"}
        assert {k: v for k, v in one.items() if k not in differing} == {
            k: v for k, v in other.items() if k not in differing
        }


def test_each_label_over_its_threshold_is_explained_and_no_other(posts_file: Path) -> None:
    for verdict in classified(posts_file, "--explain"):
        assert [(e["label"], e["score"]) for e in verdict["explanations"]] == [
            (label, verdict["scores"][label]) for label in verdict["labels"]
        ]


def test_named_label_is_explained_for_every_post_by_the_field_that_has_its_score(posts_file: Path) -> None:
    rude, kind, title, nul = (v["explanations"] for v in classified(posts_file, "--explain", "offensive"))

    assert [[e["label"] for e in found] for found in (rude, kind, title, nul)] == [["offensive"]] * 4
    assert [found[0]["field"] for found in (rude, kind, title)] == ["text", "text", "title"]
    assert title[0]["words"] == rude[0]["words"] == nul[0]["words"]
    spans = [TEXT[word["start"] : word["end"]] for word in rude[0]["words"]]
    assert spans == ["You", "stupid", "worthless", "idiot", ",", "get", "lost"]


def test_label_the_model_lacks_ends_with_1_before_anything_is_written(
    posts_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "verdicts.jsonl"

    assert main(["classify", "--explain", str(posts_file), "--output", str(output)]) == 1

    assert f"no label '{posts_file}'; its labels are " in capfd.readouterr().err
    assert not output.exists()


def test_words_are_shown_on_a_terminal_alone_and_coloured_unless_told_not_to(
    posts_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    coloured = _on_terminal(posts_file)
    plain = _on_terminal(posts_file, NO_COLOR="1")
    classified(posts_file, "--explain", "offensive")

    assert "rude  offensive " in coloured
    assert re.search(r"\x1b\[30;48;5;(224|217|210|203)mworthless", coloured)
    assert "rude  offensive " in plain
    assert "\x1b[30" not in plain
    assert "offensive" not in capfd.readouterr().err


def _on_terminal(posts_file: Path, **environment: str) -> str:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 200))
    try:
        subprocess.run(
            [*COMMAND, str(posts_file), "--explain", "offensive", "--no-progress"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=60,
            check=True,
            env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **environment},
        )
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
