"""Records as the rest of the worker knows them."""

from aiokafka import ConsumerRecord

from worker.core.types import Partition, Record


def as_record(record: "ConsumerRecord[bytes, bytes]") -> Record:
    """The same record, nothing of it left out."""
    return Record(
        Partition(record.topic, record.partition),
        record.offset,
        record.timestamp if record.timestamp is not None else -1,
        record.key,
        record.value,
        tuple((name, value or b"") for name, value in record.headers),
    )
