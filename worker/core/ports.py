"""What the pipeline needs of the world, as narrow Protocols. Adapters are handed in by the composition root."""

from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from worker.core.breaker import Cause, State
from worker.core.errors import Rejected
from worker.core.types import Expired, Outgoing, Partition, Record, Scorable, Scored, Scores, Tombstone, Window

Prepared: TypeAlias = Scorable | Expired | Tombstone | Rejected
Outcome: TypeAlias = Scored | Expired | Tombstone | Rejected

Prepare: TypeAlias = Callable[[Sequence[Record]], list[Prepared]]
"""Decode, validate, normalise and tokenise records; one result for each, in order. Runs in a thread, never raises."""

Score: TypeAlias = Callable[[Sequence[Window]], list[Scores]]
"""Score the windows of one batch, in order. Runs in threads; raises where the model fails."""

Encode: TypeAlias = Callable[[Record, Outcome], tuple[Outgoing, ...]]
"""The records to publish for an outcome: a verdict, a dead letter, both, or a tombstone. Never raises."""


class Rebalance(Protocol):
    """What a source tells the pipeline about its partitions."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """These partitions are read from now on, from their committed offsets."""

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Finish what is in flight for these partitions within the bound, commit it, forget the rest."""


class Source(Protocol):
    """Where records come from, in offset order within a partition."""

    async def join(self, rebalance: Rebalance) -> None:
        """Begin. Partitions are announced from within `poll`, before their first record is returned."""

    async def poll(self, max_records: int) -> Sequence[Record] | None:
        """Wait a moment for records; may return none. None: the input has ended.

        Must be called regularly, also with `max_records` 0: then partitions are paused, but membership is kept up.
        Cancelling a poll loses no record. Raises Fatal when the source is beyond repair.
        """

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset to read for each partition. Raises Transient where it may work later."""

    async def rewind(self) -> None:
        """Read every partition again from its committed offset; announced as assigned once more."""


class Sink(Protocol):
    """Where records go. Sends of one partition are stored in the order of the calls."""

    async def send(self, partition: Partition, outgoing: Outgoing) -> "Future[Any]":
        """Hand one record over; `partition` is the input's. The future completes when all in-sync replicas have it.

        After either of them raised, no later send to the same place may be stored, or order is lost: all of them fail
        until the caller has called `reset` and rewound.
        """

    def halt(self) -> None:
        """Send nothing more until `reset`: something failed, and what came after it must not be stored first."""

    async def reset(self, error: BaseException) -> None:
        """Drop what is unsent and begin anew after `error`. Raises Fatal where that cannot help, Transient where it may.

        Futures of what was dropped may stay without an answer.
        """


class Transactions(Protocol):
    """Where outputs become visible together with the commit of what they were made from, or not at all."""

    async def commit(self, partition: Partition, offset: int) -> None:
        """Make all that was sent for `partition` since its last commit visible, and `offset` the next one to read.

        All of it must be acknowledged. Raises Transient where that failed or its outcome is not known: then nothing
        more may be sent until `Sink.reset`, and what is read next must come from the committed offset.
        """


class Observer(Protocol):
    """What the pipeline reports while it runs. Called on the event loop; must be quick and must not raise."""

    def consumed(self, record: Record) -> None:
        """A record was read."""

    def rejected(self, rejected: Rejected) -> None:
        """A record goes to the dead-letter topic."""

    def tokenised(self, posts: int, seconds: float) -> None:
        """Records were decoded, normalised and tokenised."""

    def looked_up(self, hits: int, shared: int, misses: int) -> None:
        """Windows of a post whose scores were known, are on their way for another post, or are to be found out."""

    def queued(self, record: Record, seconds: float) -> None:
        """A window of this record waited for its batch, which is scored now or next."""

    def scored(self, posts: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """A batch was scored; `posts` counts its windows."""

    def acknowledged(self, record: Record, outputs: Sequence[Outgoing]) -> None:
        """All outputs of a record are stored."""

    def committed(self, ok: bool) -> None:
        """A commit was tried."""

    def in_flight(self, posts: int, size: int) -> None:
        """Posts and bytes between reading and acknowledgement, now."""

    def paused(self, seconds: float) -> None:
        """Intake stood still because the budget was used up."""

    def rewound(self) -> None:
        """A publish failed: the producer was replaced, and partitions are read again from their commits."""

    def breaker(self, state: State, cause: Cause, last: str) -> None:
        """The breaker is in `state` from now on; `cause` opened it, and `last` is the latest such rejection in words."""


class Stages(NamedTuple):
    """What a pipeline is built from and tracing wraps."""

    source: Source
    prepare: Prepare
    encode: Encode
    observer: Observer
