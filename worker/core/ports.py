"""What the pipeline needs of the world, as narrow Protocols. Adapters are handed in by the composition root."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from worker.core.errors import Rejected
from worker.core.types import (
    Channel,
    Outgoing,
    Partition,
    Record,
    Scorable,
    Scored,
    Scores,
    Tombstone,
    Window,
)

Prepared: TypeAlias = Scorable | Tombstone | Rejected
Outcome: TypeAlias = Scored | Tombstone | Rejected

Prepare: TypeAlias = Callable[[Sequence[Record]], list[Prepared]]
"""Decode, validate, normalise and tokenise records; one result for each, in order. Runs in a thread, never raises."""

Score: TypeAlias = Callable[[Sequence[Window]], list[Scores]]
"""Score the windows of one batch, in order. Runs in threads; raises where the model fails."""

Encode: TypeAlias = Callable[[Record, Outcome], tuple[Outgoing, ...]]
"""The records to publish for an outcome: a verdict, a dead letter, both, or a tombstone. Never raises."""


class Rebalance(Protocol):
    """What a source tells the pipeline about its partitions."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """These partitions are read from now on."""

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Finish what is in flight for these partitions within the bound, commit it, forget the rest."""

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Forget these partitions at once, without a commit: their positions will be read again."""


class Source(Protocol):
    """Where records come from, in offset order within a partition."""

    async def poll(self, max_records: int) -> Sequence[Record]:
        """Wait a moment for records; may return none. Must be called regularly, also with `max_records` 0.

        With 0, partitions are paused but group membership is kept up. Raises Fatal when the source is beyond
        repair. Returns no record of a partition whose rebalance has not been told to the pipeline.
        """

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset to read for each partition. Raises Transient where it may work later."""


class Sink(Protocol):
    """Where records go. Sends of one partition are acknowledged in the order of the calls."""

    async def send(self, partition: Partition, outgoing: Outgoing) -> Awaitable[None]:
        """Hand one record over; `partition` is the input's. The result completes when all in-sync replicas have it.

        Both may raise Transient: the caller must then assume nothing about later sends, and rewind.
        """


class Observer(Protocol):
    """What the pipeline reports while it runs. Called on the event loop; must be quick and must not raise."""

    def consumed(self, record: Record) -> None: ...
    def rejected(self, rejected: Rejected) -> None: ...
    def tokenised(self, posts: int, seconds: float) -> None: ...
    def queued(self, seconds: float) -> None: ...
    def scored(self, posts: int, tokens: int, padded_tokens: int, seconds: float) -> None: ...
    def published(self, channel: Channel, record: Record) -> None: ...
    def acknowledged(self, record: Record) -> None: ...
    def committed(self, ok: bool) -> None: ...
    def in_flight(self, posts: int, size: int) -> None: ...
    def paused(self, seconds: float) -> None: ...
