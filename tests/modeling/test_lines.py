"""Every reader of posts names the file and the line that is no text, or says something else than it should."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.modeling.augmentation.spelling import disguised_posts
from worker.modeling.cli import main
from worker.modeling.explain.rationales import read_marked
from worker.modeling.posts.examples import read_examples, read_unlabelled
from worker.modeling.posts.labelled import read_classes
from worker.modeling.posts.texts import read_texts

GOOD = json.dumps({"id": "1", "text": "bad rain", "labels": {"hate": 1}, "spans": [[0, 3]]}).encode() + b"\n"
READERS: dict[str, Callable[[Path], object]] = {
    "labelled": lambda path: read_examples(path, ("hate",)),
    "unlabelled": lambda path: read_unlabelled(path, 1),
    "classes": read_classes,
    "texts": lambda path: list(read_texts([path])),
    "spelling": lambda path: disguised_posts(path, 1, 0, frozenset()),
    "marked": lambda path: read_marked(path, ("hate",)),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b'{"id": "2", "text": "\xff secret"}', "not UTF-8"),
        (b"secret", "not a .*"),
        (b'["secret"]', "not a .*"),
        (b"[" * 100_000, "not a .*RecursionError.*"),
    ],
)
def test_line_that_is_wrong_is_named_without_what_it_says(name: str, wrong: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(GOOD + wrong + b"\n")
    with pytest.raises(Fatal, match=rf"^{path}:2: {said}$") as error:
        READERS[name](path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("name", READERS)
def test_half_an_emoji_is_read_as_the_worker_reads_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    row = {"id": "2", "text": "bad rain \ud83d", "labels": {"hate": 0}, "spans": [[0, 3]]}
    path.write_bytes(GOOD + json.dumps(row).encode() + b"\n")
    if name in {"labelled", "unlabelled", "marked"}:
        assert [post.text for post in READERS[name](path)] == ["bad rain", "bad rain \ufffd"]  # type: ignore[attr-defined]
    assert "\\ud83d" not in repr(READERS[name](path))


@pytest.mark.parametrize("name", ["labelled", "unlabelled"])
def test_half_an_emoji_in_an_id_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(GOOD + json.dumps({"id": "\ud83d", "text": "rain", "labels": {"hate": 0}}).encode() + b"\n")
    with pytest.raises(Fatal, match=rf"^{path}:2: not a .*its id holds a lone surrogate"):
        READERS[name](path)


def test_blank_lines_at_the_end_are_no_posts_and_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(GOOD + b"\n \n")
    assert len(read_unlabelled(path, 1)) == 1
    path.write_bytes(GOOD + b"\n" + GOOD)
    with pytest.raises(Fatal, match=rf"^{path}:2: not a post: a blank line$"):
        read_unlabelled(path, 1)


@pytest.mark.parametrize(
    "command", ["encoders --only --out {out} --posts {posts}", "explain --bundle {bundle} --data {posts}"]
)
def test_command_names_the_line_that_is_no_text(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes(GOOD + b"\xff\n")
    bundle = Path(__file__).parents[2] / "worker" / "bundles" / "default"
    assert main(command.format(out=tmp_path / "out", posts=posts, bundle=bundle).split()) == 1
    assert f"{posts}:2: not UTF-8" in capsys.readouterr().err
