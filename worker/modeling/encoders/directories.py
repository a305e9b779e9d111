"""Directories that appear whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from worker.core.errors import Fatal


def refuse_full(out: Path) -> None:
    """Raise Fatal where `out` holds something: a result is never mixed with an older one."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise Fatal(f"{out}: exists and is not an empty directory: remove it or choose another --out")


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to write to; what is left in it goes when the block ends.

    A run that is killed leaves it behind: the next one, which writes to the same place, begins by removing it.
    Raises Fatal where something cannot be written (no permission, no space).
    """
    aside = out.resolve().with_name(f".{out.resolve().name}.partial")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
    except (OSError, SafetensorError) as error:
        raise Fatal(f"{out}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to write to; it becomes `out` when the block ends and vanishes when it fails.

    Raises Fatal where `out` holds something already or cannot be written (no permission, no space).
    """
    refuse_full(out)
    with beside(out) as aside:
        yield aside
        aside.rename(out.resolve())
