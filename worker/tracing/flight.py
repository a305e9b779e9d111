"""A record with what tracing knows of it. It travels with the record, so that what is dropped leaves nothing behind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.trace import INVALID_SPAN, Span

from worker.core.ports import Rebalance, Source
from worker.core.types import Partition, Record


@dataclass(slots=True)
class Flight:
    """Times in nanoseconds since 1970; 0: not yet."""

    received: int
    process: Span = INVALID_SPAN
    sends: list[Span] = field(default_factory=list)
    decoded: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced(Record):
    """A record as read, and its flight."""

    flight: Flight = field(compare=False)


class TracedSource:
    """Implements Source: the same records, each with a flight of its own."""

    def __init__(self, source: Source, clock: Callable[[], int]) -> None:
        self._source = source
        self._clock = clock

    async def join(self, rebalance: Rebalance) -> None:
        """See Source."""
        await self._source.join(rebalance)

    async def poll(self, max_records: int) -> Sequence[Record] | None:
        """See Source."""
        records = await self._source.poll(max_records)
        now = self._clock()
        return records and [_traced(record, Flight(now)) for record in records]

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See Source."""
        await self._source.commit(offsets)

    async def rewind(self) -> None:
        """See Source."""
        await self._source.rewind()


def _traced(record: Record, flight: Flight) -> Traced:
    return Traced(
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        key=record.key,
        value=record.value,
        headers=record.headers,
        flight=flight,
    )
