"""What a source tells of its membership, and what has to happen to a partition before it is read."""

from collections.abc import Collection
from typing import Protocol

from worker.core.types import Partition


class Membership(Protocol):
    """What the operator is told about group membership. Called on the event loop."""

    def joined(self) -> None:
        """The worker is in the group, with or without partitions."""

    def assigned(self, partitions: int) -> None:
        """A rebalance ended with this many partitions for the worker."""

    def partition_stopped(self, partition: Partition) -> None:
        """A partition is not read: its commit lies outside the log."""

    def offset_jumped(self) -> None:
        """A partition went on at its earliest offset, because its commit lay outside the log."""


class Fences(Protocol):
    """What has to be done of a partition before it is read and after it was given up, outside the listener or bounded."""

    async def open(self, partitions: Collection[Partition]) -> None:
        """Make sure that nobody else can publish for these. Raises Transient while that is not possible, or Fatal."""

    async def close(self, partitions: Collection[Partition]) -> None:
        """They are someone else's now."""
