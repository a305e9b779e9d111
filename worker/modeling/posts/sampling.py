"""A bounded sample of labelled files, for runs that compare many settings."""

import random
from collections.abc import Sequence
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.posts.lines import read_lines
from worker.modeling.writing import write_text

FEWEST = 50
"""Posts of a file that a sample holds at least, if there are: fewer may lack one value of a label."""


def sample_files(files: Sequence[Path], posts: int, seed: int, out: Path) -> tuple[Path, ...]:
    """About `posts` lines drawn from all `files`, each in proportion to its length, under its plain name in `out`.

    The same for the same seed. Raises Fatal where a file cannot be read or two have one name.
    """
    if len({plain_name(path) for path in files}) < len(files):
        raise Fatal(f"two files have one name: {', '.join(map(str, files))}; sources are told apart by it")
    lines = {plain_name(path): [line for line in read_lines(path, "text", str) if line.strip()] for path in files}
    total = sum(map(len, lines.values()))
    found = []
    for name, rows in lines.items():
        count = min(len(rows), max(FEWEST, round(posts * len(rows) / max(total, 1))))
        chosen = sorted(random.Random(f"{seed}/{name}").sample(range(len(rows)), count))
        write_text(out / name, "".join(rows[i] + "\n" for i in chosen))
        found.append(out / name)
    return tuple(found)


def plain_name(path: Path) -> str:
    """The file's name when it is not compressed."""
    return path.name.removesuffix(".zst")
