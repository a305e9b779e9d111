"""Unlabelled texts from files: lines of text or JSON Lines with "text", plain or compressed with zstd."""

import io
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import zstandard

from worker.core.errors import Fatal


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Texts of all files in order, blank ones left out: one a line, or the "text" of each row of a `.jsonl` file.

    A name that ends in `.zst` is decompressed. Raises Fatal naming file and line of what cannot be read.
    """
    for path in paths:
        is_json = ".jsonl" in path.suffixes
        try:
            with closing(_lines(path)) as lines:
                for number, line in enumerate(lines, 1):
                    if not line.strip():
                        continue
                    try:
                        text = _text_of(line) if is_json else line.decode()
                    except (ValueError, KeyError, TypeError) as error:
                        is_utf8 = not isinstance(error, UnicodeDecodeError)
                        wrong = 'not a JSON object with "text"' if is_utf8 else "not UTF-8"
                        raise Fatal(f"{path}:{number}: {wrong}") from error
                    if text.strip():
                        yield text
        except (OSError, zstandard.ZstdError) as error:
            raise Fatal(f"{path}: cannot be read: {error}") from error


def _text_of(line: bytes) -> str:
    text = json.loads(line.decode())["text"]
    if not isinstance(text, str):
        raise TypeError('"text" is no string')
    return text


def _lines(path: Path) -> Generator[bytes, None, None]:
    """Lines without their ends. Only a line feed ends one: a post may hold the other separators of Unicode."""
    with path.open("rb") as raw:
        if path.suffix != ".zst":
            yield from (line.rstrip(b"\r\n") for line in raw)
            return
        with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as plain:
            yield from (line.rstrip(b"\r\n") for line in io.BufferedReader(plain))
