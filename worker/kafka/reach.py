"""Is there a broker, a leader, a group to be in? aiokafka's consumer looks for them silently and without end."""

from collections.abc import Callable, Collection
from typing import Any

from aiokafka import TopicPartition

from worker.core.errors import Fatal
from worker.core.trouble import Trouble

NOT_IN_GROUP = "not in the group: its coordinator does not answer, or a rebalance goes on (MODERATION_GROUP_ID)"


class Reach:
    """Whether a client has a broker and a leader for each partition, as of the last `look`, and is in the group.

    Heartbeats keep connections busy. A moment between two connections counts too: look often, take no notice of what is short.
    """

    def __init__(self, deadline: float, clock: Callable[[], float]) -> None:
        self._deadline = deadline
        self._clock = clock
        self._outside: Trouble | None = None
        self._brokers: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:
        """What is missing just now."""
        return self._brokers or self._outside

    def left(self) -> None:
        """Not in the group from now on, until `joined`."""
        self._outside = self._outside or Trouble(self._clock(), NOT_IN_GROUP)

    def joined(self) -> None:
        """In the group, with or without partitions."""
        self._outside = None

    def look(self, client: Any, assigned: Collection[TopicPartition]) -> None:
        """Note how things are now. Raises Fatal past the deadline, in seconds."""
        missing = _missing(client, assigned)
        if missing is None:
            self._brokers = None
        elif self._brokers is None:
            self._brokers = Trouble(self._clock(), missing)
        for trouble in (self._brokers, self._outside):
            if trouble is not None and (elapsed := self._clock() - trouble.since) >= self._deadline:
                raise Fatal(f"for {elapsed:.0f} s (MODERATION_RETRY_DEADLINE_SECONDS) {trouble.why}")


def _missing(client: Any, assigned: Collection[TopicPartition]) -> str | None:
    if not any(connection.connected() for connection in list(client._conns.values())):  # noqa: SLF001 - it does not tell
        return "no broker can be reached (MODERATION_BOOTSTRAP_SERVERS)"
    for tp in assigned:
        if client.cluster.leader_for_partition(tp) in {None, -1}:
            return f"no broker leads partition {tp.partition} of MODERATION_INPUT_TOPIC ({tp.topic})"
    return None
