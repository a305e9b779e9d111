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
def written_aside(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to write to; it becomes `out` when the block ends and vanishes when it fails.

    Raises Fatal where `out` holds something already or cannot be written (no permission, no space).
    """
    refuse_full(out)
    aside = out.absolute().with_name(f".{out.absolute().name}.partial")
    try:
        shutil.rmtree(aside, ignore_errors=True)  # left by a run that was killed
        aside.mkdir(parents=True)
        yield aside
        aside.rename(out.absolute())
    except (OSError, SafetensorError) as error:
        raise Fatal(f"{out}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
