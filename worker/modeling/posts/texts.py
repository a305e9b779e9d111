"""Unlabelled texts from files: lines of text or JSON Lines with "text", plain or compressed with zstd."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.posts.lines import read_lines
from worker.text.encodable import encodable


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Texts of all files in order, blank ones left out: one a line, or the "text" of each row of a `.jsonl` file.

    A name that ends in `.zst` is decompressed. Raises Fatal naming file and line of what cannot be read, or a
    file without a text.
    """
    for path in paths:
        parse = _text_of if ".jsonl" in path.suffixes else str
        texts = filter(str.strip, read_lines(path, 'a JSON object with "text"', parse))
        first = next(texts, None)
        if first is None:
            raise Fatal(f"{path}: holds no text")
        yield first
        yield from texts


def _text_of(line: str) -> str:
    text = json.loads(line)["text"] if line.strip() else ""
    if not isinstance(text, str):
        raise TypeError('"text" is no string')
    return encodable(text)
