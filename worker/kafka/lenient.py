"""Records whose header names are not UTF-8, which aiokafka cannot read: one would stop its partition for good.

Kafka checks nothing in a header's name. aiokafka raises UnicodeDecodeError in the middle of a batch, on every try. The
batch is then read again with aiokafka's pure-Python reader, with what is no UTF-8 written as backslash escapes.
"""

from collections.abc import Iterator
from typing import Any, SupportsIndex

import aiokafka.consumer.fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

MAGIC_OF_HEADERS = 2
"""Record batches have headers since message format 2 (Kafka 0.11)."""


def install() -> None:
    """Make every consumer of this process read leniently."""
    aiokafka.consumer.fetcher.MemoryRecords = LenientRecords


class LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """A fetched partition's batches, as aiokafka's own, but for header names."""

    def next_batch(self, *arguments: Any) -> Any:
        """The next batch, or None."""
        raw = self._next_slice
        batch = super().next_batch(*arguments)
        is_new = raw is not None and raw[self.MAGIC_OFFSET] >= MAGIC_OF_HEADERS
        return _LenientBatch(batch, raw) if is_new else batch


class _LenientBatch:
    """aiokafka's batch, its records read by the fast reader as far as that goes."""

    def __init__(self, batch: Any, raw: Any) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        last = -1
        try:
            for record in self._batch:
                last = record.offset
                yield record
        except UnicodeDecodeError:
            yield from (record for record in _LenientReader(bytearray(self._raw)) if record.offset > last)


class _LenientReader(_DefaultRecordBatchPy):  # type: ignore[misc]
    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: Any = _Lenient(self._buffer)


class _Lenient(bytearray):
    """A buffer whose slices decode to text without failing."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found: Any = super().__getitem__(index)
        return _LenientSlice(found) if isinstance(index, slice) else found


class _LenientSlice(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
