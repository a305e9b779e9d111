"""Reads TensorFlow's V2 checkpoints: `PREFIX.index`, a LevelDB table of names, and one file of raw tensors beside it.

By itself, because TensorFlow is half a gigabyte to read one format (tensorflow/core/util/tensor_bundle). Of that format it
knows what BERT's checkpoint needs: float32 tensors in one data file, a table that is not compressed.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.errors import Fatal

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")  # of LevelDB's tables
_FLOAT32 = 1  # DataType.DT_FLOAT
_TYPE, _SHAPE, _SHARD, _OFFSET, _SIZE = 1, 2, 3, 4, 5  # fields of BundleEntryProto
_DIMENSION = 2  # of TensorShapeProto


def read_bundle(prefix: Path) -> dict[str, NDArray[np.float32]]:
    """Every tensor by its name, mapped from disk. Raises Fatal where the files are no such checkpoint."""
    try:
        table = prefix.with_name(prefix.name + ".index").read_bytes()
        data = np.memmap(prefix.with_name(prefix.name + ".data-00000-of-00001"), mode="r")
        entries = dict(_entries(table))
        entries.pop(b"")  # the header
        return {name.decode(): _tensor(data, entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise Fatal(f"warm-start: {prefix}: no checkpoint of TensorFlow's with float32 tensors: {error}") from error


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = table[-_FOOTER:]
    if len(footer) < _FOOTER or not footer.endswith(_MAGIC):
        raise ValueError("its index is no LevelDB table")
    _, position = _handle(footer, 0)  # of the meta index, which TensorFlow leaves empty
    index, _ = _handle(footer, position)
    for _, value in _block(table, index):
        yield from _block(table, _handle(value, 0)[0])


def _block(table: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """A block's keys, each told by what it shares with the one before, and their values."""
    offset, size = handle
    if table[offset + size]:
        raise ValueError("its index is compressed")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    position, end, key = 0, size - 4 - 4 * restarts, b""
    while position < end:
        shared, position = _varint(block, position)
        added, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key):
            raise ValueError("its index is damaged")
        key = key[:shared] + block[position : position + added]
        position += added
        yield key, block[position : position + length]
        position += length
    if position != end:
        raise ValueError("its index is damaged")


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _tensor(data: NDArray[np.uint8], entry: bytes) -> NDArray[np.float32]:
    found = dict(_fields(entry))
    kind, offset, size = found.get(_TYPE), found.get(_OFFSET, 0), found.get(_SIZE, 0)  # protobuf leaves zeros out
    if kind != _FLOAT32 or found.get(_SHARD):
        raise ValueError(f"a tensor of type {kind}, in file {found.get(_SHARD, 0)}")
    shape = [dict(_fields(size)).get(1, 0) for field, size in _fields(found.get(_SHAPE, b"")) if field == _DIMENSION]
    if size != 4 * math.prod(shape) or offset + size > len(data):
        raise ValueError(f"a tensor of {size} bytes from {offset}, of shape {shape}, in a file of {len(data)}")
    return data[offset : offset + size].view("<f4").reshape(shape)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and contents of a protobuf message's fields."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield tag >> 3, value
        elif kind in (2, 5):
            length, position = _varint(message, position) if kind == 2 else (4, position)
            yield tag >> 3, message[position : position + length]
            position += length
        else:
            raise ValueError(f"a field of kind {kind} in its index")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position
