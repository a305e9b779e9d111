"""A made-up checkpoint of TensorFlow's, as `worker.modeling.encoders.tensor_bundle` reads it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_bundle(prefix: Path, tensors: Mapping[str, NDArray[np.generic]], kind: int = 1, compressed: int = 0) -> None:
    """Write `PREFIX.index`, five names a block, and the data. `kind`: a DataType; `compressed`: a block's mark."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    data, entries = b"", [(b"", b"\x08\x01\x1a\x02\x08\x01")]
    for name, array in sorted(tensors.items()):
        shape = b"".join(_field(2, _field(1, size)) for size in array.shape)
        content = array.tobytes()
        entry = _field(1, kind) + _field(2, shape) + _field(4, len(data)) + _field(5, len(content)) + b"\x35abcd"
        entries.append((name.encode(), entry))
        data += content
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)
    table, index = b"", []
    for start in range(0, len(entries), 5):
        part = entries[start : start + 5]
        block = _block(part)
        index.append((part[-1][0], _varint(len(table)) + _varint(len(block))))
        table += block + bytes([compressed]) + b"crc-"
    handles = b""
    for block in (_block([]), _block(index)):
        handles += _varint(len(table)) + _varint(len(block))
        table += block + b"\x00crc-"
    footer = handles.ljust(40, b"\x00") + bytes.fromhex("57fb808b247547db")
    prefix.with_name(prefix.name + ".index").write_bytes(table + footer)


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    block, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        before = key
    return block + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a protobuf message; zero is left out, as protobuf does."""
    if isinstance(value, bytes):
        return bytes([number << 3 | 2]) + _varint(len(value)) + value
    return bytes([number << 3]) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
