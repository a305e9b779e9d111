"""From aiokafka's records to the worker's."""

from aiokafka import ConsumerRecord

from worker.core.types import Partition, Record


def record(found: "ConsumerRecord[bytes, bytes]") -> Record:
    """The record as everything behind the source knows it; timestamp -1 where it has none."""
    return Record(
        Partition(found.topic, found.partition),
        found.offset,
        found.timestamp if found.timestamp is not None else -1,
        found.key,
        found.value,
        tuple((name, value or b"") for name, value in found.headers),
    )
