"""Directories that appear whole or not at all."""

import fcntl
import os
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
def alone(directory: Path, out: Path | None = None) -> Iterator[int]:
    """Make `directory` where it is not there, and hold it until the block or the process ends; its descriptor.

    Raises Fatal, naming `out` where it is given, where another run holds it, for each would write over what the other
    wrote; and where it cannot be held.
    """
    out = out or directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Fatal(f"--out {out}: cannot be written: {error}") from error
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Fatal(f"{out}: another run writes to it: wait for its end, or choose another --out") from error
        except OSError as error:
            raise Fatal(f"{out}: cannot be locked: {error}") from error
        yield held
    finally:
        os.close(held)  # and gives the lock back, as the end of the process does


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to write to; what is left in it goes when the block ends.

    A run that is killed leaves it behind: the next one, which writes to the same place, begins by emptying it.
    Raises Fatal where something cannot be written (no permission, no space), and where another run writes to it.
    """
    aside = out.resolve().with_name(f".{out.resolve().name}.partial")
    try:
        aside.mkdir(parents=True, exist_ok=not aside.is_symlink())
        with alone(aside, out) as held:
            try:
                _empty(aside)
                yield aside
            finally:
                if aside.exists() and os.path.samestat(aside.stat(), os.fstat(held)):  # not renamed, nor another run's
                    shutil.rmtree(aside, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise Fatal(f"{out}: cannot be written: {error}") from error


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to write to; it becomes `out` when the block ends and vanishes when it fails.

    Raises Fatal where `out` holds something already or cannot be written (no permission, no space).
    """
    refuse_full(out)
    with beside(out) as aside:
        yield aside
        aside.rename(out.resolve())


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
