"""Two brokers, so that leaders move and replicas go missing; the second one can be killed and started again."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from confluent_kafka import ElectionType, KafkaError
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import AdminClient

from tests.harness.distribution import HarnessError
from tests.harness.kafka import Kafka

FIRST, SECOND = 1, 2
"""Node ids. The first is the controller and stays; the second comes and goes."""
ELECTION_SECONDS = 20.0
DONE = {KafkaError.ELECTION_NOT_NEEDED}


class Cluster:
    """Two brokers of one cluster on loopback. A context manager: started on entry, killed and removed on exit.

    Commits and transactions are kept by both brokers, and by one alone while the other is away. A leader that was
    moved does not come back by itself: see `elect`.
    """

    def __init__(self) -> None:
        self.first = _Node(FIRST)
        self.second = _Node(SECOND, self.first)
        self._entered = ExitStack()

    @property
    def bootstrap(self) -> str:
        """Both brokers: a client finds the cluster while one of them is away."""
        return f"{self.first.bootstrap},{self.second.bootstrap}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in (self.first, self.second):
                stack.enter_context(node)  # launched; ready only once both are there
            for node in (self.first, self.second):
                node.wait_until_ready()
            self._entered = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()

    def bring_back(self) -> None:
        """Start the second broker again where it was killed, and wait until it answers."""
        if not self.second.running:
            self.second.launch()
            self.second.wait_until_ready()

    def elect(self, topics: Mapping[str, int]) -> None:
        """Let the preferred replica of every partition lead, as soon as it is in sync; `topics`: name and partitions.

        Raises HarnessError where that takes too long.
        """
        partitions = [ConfluentPartition(topic, number) for topic, count in topics.items() for number in range(count)]
        admin = AdminClient({"bootstrap.servers": self.first.bootstrap})
        deadline = time.monotonic() + ELECTION_SECONDS
        while True:
            outcomes = admin.elect_leaders(ElectionType.PREFERRED, partitions).result(ELECTION_SECONDS)
            left = [error for error in outcomes.values() if error is not None and error.code() not in DONE]
            if not left:
                return
            if time.monotonic() > deadline:
                raise HarnessError(f"leaders were not moved: {left[0]}")
            time.sleep(0.1)


class _Node(Kafka):
    _nodes = 2

    def __init__(self, number: int, controller: Kafka | None = None) -> None:
        super().__init__()
        self._number = number
        if controller is not None:
            self._cluster, self._controller_port = controller._cluster, controller._controller_port

    def start(self) -> None:
        """On entry: only launched, for neither is ready before the other."""
        self.launch()

    def _properties(self) -> dict[str, str]:
        plain = super()._properties()
        two = dict.fromkeys(("offsets.topic.replication.factor", "transaction.state.log.replication.factor"), "2")
        ours = plain | two | {"node.id": str(self._number), "auto.leader.rebalance.enable": "false"}
        if self._number != FIRST:
            listeners = plain["listeners"].removesuffix(f",CONTROLLER://127.0.0.1:{self._controller_port}")
            ours |= {"process.roles": "broker", "listeners": listeners}
        return ours
