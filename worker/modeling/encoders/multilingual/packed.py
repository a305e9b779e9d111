"""The file format `E5S1`: a BERT's weights in 4-bit blocks, and its SentencePiece vocabulary.

Little-endian, one after the other:

- `E5S1`, version u32
- hidden size, layers, heads, intermediate size, embeddings, positions, token types: i32; LayerNorm epsilon f32;
  values in a block i32
- pieces, ids of <s>, </s>, <pad>, <unk>: i32; bytes of all pieces u64; where each begins u32 [pieces + 1];
  log-probabilities f32 [pieces]; the pieces' UTF-8
- a table of character replacements: entries i32, bytes u32, content (NFKC and blanks, which the tokenizer made of this
  does by itself)
- tensors i32; for each its name (length u16), kind u8, values u32, offset from the file's start u64, bytes u64
- the tensors: float32, or blocks of a float16 scale and 16 bytes, whose low halves are the first 16 values and whose
  high halves the other 16, from 0 for -8 scales to 15 for 7
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.errors import Fatal

_MAGIC = b"E5S1"
_BLOCK = 32
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("halves", "u1", _BLOCK // 2)])


@dataclass(frozen=True, slots=True)
class Sizes:
    """The dimensions of the network. `embeddings` may be more than there are pieces."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    embeddings: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Packed:
    """A file of weights. `pieces` with their log-probabilities, in the order of the embeddings."""

    sizes: Sizes
    pieces: tuple[tuple[str, float], ...]
    bos: int
    eos: int
    pad: int
    unk: int
    _content: bytes
    _tensors: dict[str, tuple[int, int]]

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """The tensor of this name and shape as float32. Raises Fatal where the file has none."""
        offset, size = self._tensors.get(name, (0, 0))
        values = math.prod(shape)
        if size == 4 * values:
            return np.frombuffer(self._content, "<f4", values, offset).reshape(shape).astype(np.float32)
        if not values or size * _BLOCK != values * _BLOCK_TYPE.itemsize:
            raise Fatal(f"warm-start: the file of weights has no {name} of shape {list(shape)}")
        blocks = np.frombuffer(self._content, _BLOCK_TYPE, values // _BLOCK, offset)
        halves = blocks["halves"]
        steps = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
        return (steps * blocks["scale"].astype(np.float32)[:, None]).reshape(shape)


def read_packed(path: Path) -> Packed:
    """Read a file of weights. Raises Fatal where it is none, or cut short."""
    try:
        content = path.read_bytes()
        if content[:4] != _MAGIC:
            raise Fatal(f"warm-start: {path}: not a file of weights: it does not begin with {_MAGIC.decode()}")
        return _parse(content)
    except (OSError, struct.error, ValueError, IndexError) as error:
        raise Fatal(f"warm-start: {path}: not a whole file of weights: {error}") from error


def _parse(content: bytes) -> Packed:
    reader = _Reader(content, len(_MAGIC) + 4)
    *sizes, block = reader.take("<7ifi")
    if block != _BLOCK:
        raise ValueError(f"blocks of {block} values, not {_BLOCK}")
    count, bos, eos, pad, unk = reader.take("<5i")
    (size,) = reader.take("<Q")
    starts = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    text = reader.bytes(size)
    pieces = tuple(
        (text[start:end].decode("utf-8"), score)
        for start, end, score in zip(starts[:-1], starts[1:], scores, strict=True)
    )
    _, replacements = reader.take("<iI")
    reader.bytes(replacements)
    tensors = {}
    for _ in range(*reader.take("<i")):
        name = reader.bytes(*reader.take("<H")).decode("ascii")
        _kind, _values, offset, length = reader.take("<BIQQ")
        if offset + length > len(content):
            raise ValueError(f"{name} ends after the file does")
        tensors[name] = (offset, length)
    return Packed(Sizes(*sizes), pieces, bos, eos, pad, unk, content, tensors)


class _Reader:
    """Reads values one after the other. Raises struct.error or ValueError at the end of the content."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at

    def take(self, kinds: str) -> Sequence[Any]:
        found = struct.unpack_from(kinds, self._content, self._at)
        self._at += struct.calcsize(kinds)
        return found

    def array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self._content, kind, count, self._at)
        self._at += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        found = self._content[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("it ends too early")
        self._at += count
        return found
