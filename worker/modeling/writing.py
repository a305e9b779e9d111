"""Small result files that appear whole or not at all."""

import os
from pathlib import Path

from worker.core.errors import Fatal


def write_text(path: Path, text: str) -> None:
    """Write `path` aside and rename it, making its directory. Raises Fatal where it cannot be written."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise Fatal(f"{path}: cannot be written: {error}") from error
