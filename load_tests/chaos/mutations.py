"""Workers that break one promise on purpose: a checker that finds nothing wrong with them would prove nothing.

`python -m load_tests.chaos.mutations NAME` runs the real worker with one function replaced, in that process alone.
Nothing of this is in the worker: no setting can switch a promise off.
"""

import asyncio
import itertools
import sys
import uuid
from asyncio import Future
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from load_tests.chaos.schedule import Kind
from worker.cli import main
from worker.core.ledger import Entry, Ledger
from worker.core.types import Outgoing, Partition, Record
from worker.kafka.producer import Outputs
from worker.pipeline import Pipeline

FAILING_SEND = 300


@dataclass(frozen=True, slots=True)
class Mutation:
    """`apply` breaks `promise` in this process; `kinds` of fault expose it, by one of these counts of the report.

    `faults`: how many; more where it takes a moment that a fault seldom hits, as the one between send and commit.
    """

    promise: str
    apply: Callable[[], None]
    kinds: Sequence[Kind]
    shown_by: Sequence[str]
    delivery: str = "at_least_once"
    faults: int = 4


def _commit_before_acknowledgement() -> None:
    def committable(self: Ledger) -> int | None:
        sent = self._sent[-1].record.offset + 1 if self._sent else self._next
        return sent if sent != self._committed else None

    Ledger.committable = committable  # type: ignore[method-assign]


def _nobody_acknowledges() -> None:
    original = Outputs.__init__

    def init(self: Outputs, **arguments: Any) -> None:
        original(self, **arguments)
        self.arguments |= {"acks": 0, "enable_idempotence": False}

    Outputs.__init__ = init  # type: ignore[method-assign]


def _out_of_order() -> None:
    def release(self: Ledger, now: float) -> Iterator[Entry]:
        for entry in [entry for entry in self._waiting if entry.outputs is not None]:
            self._waiting.remove(entry)
            entry.released_at = now
            self._sent.append(entry)
            yield entry

    opened, acknowledged = Ledger.open, Ledger.acknowledge

    def open_(self: Ledger, record: Record) -> Entry:
        self.end = record.offset + 1  # type: ignore[attr-defined]
        return opened(self, record)

    def acknowledge(self: Ledger, entry: Entry) -> list[Entry]:  # commits are as they should be
        finished = acknowledged(self, entry)
        self._next = min((left.record.offset for left in self.unfinished()), default=self.end)  # type: ignore[attr-defined]
        return finished

    Ledger.release = release  # type: ignore[method-assign]
    Ledger.open = open_  # type: ignore[method-assign]
    Ledger.acknowledge = acknowledge  # type: ignore[method-assign]


def _sends_fail(*, swallowed: bool) -> None:
    """Now and then a send fails, as where a broker refuses it. Alone that breaks no promise."""
    original = Outputs.send
    serial = itertools.count(1)

    async def send(self: Outputs, producer: Any, partition: Partition, outgoing: Outgoing) -> "Future[Any]":
        if next(serial) % FAILING_SEND:
            return await original(self, producer, partition, outgoing)
        failed: Future[Any] = asyncio.get_running_loop().create_future()
        if swallowed:
            failed.set_result(None)
        else:
            failed.set_exception(KafkaError("refused on purpose"))
        return failed

    Outputs.send = send  # type: ignore[method-assign]


def _failed_send_swallowed() -> None:
    _sends_fail(swallowed=True)


def _no_drain() -> None:
    async def revoked(self: Pipeline, partitions: Sequence[Partition]) -> None:
        self._close(partitions)

    Pipeline.revoked = revoked  # type: ignore[method-assign]


def _no_fencing() -> None:
    original = AIOKafkaProducer.__init__

    def init(self: AIOKafkaProducer, **arguments: Any) -> None:
        if "transactional_id" in arguments:
            arguments["transactional_id"] += f".{uuid.uuid4()}"
        original(self, **arguments)

    AIOKafkaProducer.__init__ = init


def _no_seek() -> None:
    _sends_fail(swallowed=False)
    original = AIOKafkaConsumer.seek

    def seek(self: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
        assignment = self._subscription.subscription.assignment
        if not assignment.state_value(partition).has_valid_position:
            original(self, partition, offset)

    AIOKafkaConsumer.seek = seek


ALL: Mapping[str, Mutation] = {
    "commit-before-acknowledgement": Mutation(
        "commits what was sent, acknowledged or not",
        _commit_before_acknowledgement,
        [Kind.LOSE, Kind.KILL],
        ["early_commits", "lost"],
    ),
    "nobody-acknowledges": Mutation(
        "takes a record for stored once it is sent (acks=0)",
        _nobody_acknowledges,
        [Kind.LOSE, Kind.BROKER_KILL],
        ["early_commits", "lost"],
        faults=12,
    ),
    "out-of-order": Mutation(
        "publishes whichever verdict is ready first", _out_of_order, [Kind.TERMINATE], ["out_of_order"]
    ),
    "failed-send-swallowed": Mutation(
        "takes a failed send (here one in 300 fails) for an acknowledged one",
        _failed_send_swallowed,
        [Kind.TERMINATE],
        ["lost"],
    ),
    "no-drain": Mutation(
        "leaves without finishing and committing what is in flight",
        _no_drain,
        [Kind.TERMINATE, Kind.STORM],
        ["duplicated"],
    ),
    "no-fencing": Mutation(
        "opens a partition under a transactional id of its own",
        _no_fencing,
        [Kind.ZOMBIE, Kind.NETWORK_ZOMBIE],
        ["duplicated"],
        delivery="exactly_once",
        faults=12,
    ),
    "no-seek": Mutation(
        "reads on where the client is, not where the last commit is, after a failed send (one in 300 fails)",
        _no_seek,
        [Kind.TERMINATE],
        ["lost"],
    ),
}


if __name__ == "__main__":
    ALL[sys.argv[1]].apply()
    sys.exit(main(["run"]))
