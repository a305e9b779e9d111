"""The rebalance listener: aiokafka logs what one raises, and goes on as if nothing had happened."""

from collections.abc import Awaitable, Callable, Collection

from aiokafka import ConsumerRebalanceListener, TopicPartition

from worker.core.errors import Fatal


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Calls `revoked` and `assigned`, and keeps what they raise until somebody asks."""

    def __init__(
        self,
        revoked: Callable[[Collection[TopicPartition]], Awaitable[None]],
        assigned: Callable[[Collection[TopicPartition]], None],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned
        self._failure: Exception | None = None

    def check(self) -> None:
        """Raise Fatal where a rebalance failed: what became of its partitions is not known."""
        if isinstance(self._failure, Fatal):
            raise self._failure
        if self._failure is not None:
            raise Fatal(f"a rebalance failed after a defect: {self._failure!r}") from self._failure

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """See ConsumerRebalanceListener."""
        try:
            await self._revoked(revoked)
        except Exception as error:
            self._failure = error
            raise

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """See ConsumerRebalanceListener."""
        try:
            self._assigned(assigned)
        except Exception as error:
            self._failure = error
            raise
