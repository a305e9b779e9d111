"""What the lines of a file say, plain or compressed with zstd. A wrong one is told by its file and number."""

import io
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import zstandard

from worker.core.errors import Fatal

T = TypeVar("T")


def read_lines(path: Path, what: str, parse: Callable[[str], T]) -> Iterator[T]:
    """What `parse` makes of each line. A name that ends in `.zst` is decompressed.

    Raises Fatal naming the file that cannot be read, and the line that is not UTF-8 or not `what`, which `parse` tells
    by an error of Python's own.
    """
    try:
        with closing(_lines(path)) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    found = parse(line.decode())
                except UnicodeDecodeError as error:
                    raise Fatal(f"{path}:{number}: not UTF-8") from error
                except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
                    raise Fatal(f"{path}:{number}: not {what}: {error!r}") from error
                yield found
    except (OSError, zstandard.ZstdError) as error:
        raise Fatal(f"{path}: cannot be read: {error}") from error


def read_rows(path: Path, what: str, parse: Callable[[Any], T]) -> list[T]:
    """What `parse` makes of the JSON value on each line; blank ones at the end are none.

    Raises Fatal as `read_lines` does, and where there is no value.
    """
    found: list[T] = []
    blank = 0
    for line in read_lines(path, what, lambda line: (parse(json.loads(line)),) if line.strip() else None):
        if line is None:
            blank += 1
        elif blank:
            raise Fatal(f"{path}:{len(found) + 1}: not {what}: a blank line")
        else:
            found += line
    if not found:
        raise Fatal(f"{path}: holds no posts")
    return found


def _lines(path: Path) -> Generator[bytes, None, None]:
    """Lines without their ends. Only a line feed ends one: a post may hold the other separators of Unicode."""
    with path.open("rb") as raw:
        if path.suffix != ".zst":
            yield from (line.rstrip(b"\r\n") for line in raw)
            return
        with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as plain:
            yield from (line.rstrip(b"\r\n") for line in io.BufferedReader(plain))
