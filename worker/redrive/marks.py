"""Which records were put back already: marks among the dead letters, stored in the transaction that puts them back."""

from collections.abc import Iterable
from struct import Struct

import orjson

from worker.core.errors import Fatal
from worker.core.types import Headers, Record
from worker.redrive.letters import Origin

SCHEMA = b"redriven.v1"
_PACKED = Struct(">iqq")


class Marks:
    """Origins put back; about 80 bytes each."""

    def __init__(self) -> None:
        self._packed: set[bytes] = set()

    def __contains__(self, origin: Origin) -> bool:
        return _PACKED.pack(*origin) in self._packed

    def __len__(self) -> int:
        return len(self._packed)

    def add(self, origins: Iterable[Origin]) -> None:
        """Remember them."""
        self._packed.update(_PACKED.pack(*origin) for origin in origins)


def is_mark(record: Record) -> bool:
    """Whether a record of the dead-letter topic is a mark."""
    return ("schema", SCHEMA) in record.headers


def encode(topic: str, origins: list[Origin]) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of the mark for these records of input topic `topic`.

    No two marks share a key, so that a compacted topic keeps each.
    """
    key = "redriven/" + "/".join(str(part) for part in (topic, *origins[0]))
    value = orjson.dumps({"topic": topic, "origins": [list(origin) for origin in origins]})
    return key.encode(), value, (("schema", SCHEMA), ("content-type", b"application/json"))


def decode(record: Record, topic: str) -> list[Origin]:
    """The records of input topic `topic` that a mark names. Raises Fatal for one that `encode` did not write."""
    try:
        found = orjson.loads(record.value or b"{}")
        return [Origin(*map(int, origin)) for origin in found["origins"]] if found["topic"] == topic else []
    except (KeyError, TypeError, ValueError) as error:
        raise Fatal(
            f"{record.partition.topic}, partition {record.partition.partition}, offset {record.offset}: this mark cannot"
            " be read, so what it speaks of might be put back twice. Who wrote it? Delete it, or let retention do so"
        ) from error
