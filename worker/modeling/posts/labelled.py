"""Labelled files as measuring needs them: every post once, every file by its own name."""

from collections.abc import Sequence
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.posts.examples import Example, read_examples
from worker.modeling.posts.lines import read_rows


def read_labelled(path: Path, labels: Sequence[str], option: str = "--data") -> list[Example]:
    """`read_examples`, for measuring: each id once. Raises Fatal naming the option, the file and the line."""
    try:
        examples = read_examples(path, labels)
    except Fatal as error:
        raise Fatal(f"{option}: {error}") from error
    lines: dict[str, int] = {}
    for number, example in enumerate(examples, 1):
        if example.id in lines:
            raise Fatal(
                f"{option}: {path}:{number}: the id of line {lines[example.id]} again: give every post its own, "
                "by which it is halved and compared"
            )
        lines[example.id] = number
    return examples


def read_classes(path: Path) -> dict[str, str]:
    """The `class` that a source gave its posts, by id, of rows that have one."""
    rows = read_rows(path, "a labelled post", dict)
    return {str(row["id"]): row["class"] for row in rows if isinstance(row.get("class"), str)}


def check_names(data: Sequence[Path], option: str = "--data") -> None:
    """Raise Fatal where two files share a name, by which reports tell them apart."""
    names = [path.name for path in data]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Fatal(f"{option}: two files are called {twice[0]}: rename one, figures are told apart by the file's name")
