"""Reads a run's topics back from the broker, as the values that `history` checks."""

from collections.abc import Callable

import orjson
from aiokafka import ConsumerRecord

from load_tests.history import Kind, Output, Position
from load_tests.hostile import Due, due
from load_tests.watch import Names
from tests.harness.topics import each_record, transactions_ended
from worker.redrive.marks import SCHEMA

READ_SECONDS = 600.0


async def read_back(bootstrap: str, names: Names) -> tuple[dict[Position, Due], list[Output]]:
    """What a run was to do and what it did, once no transaction of its outputs is open any more."""
    for topic in (names.output, names.dead_letter):
        await transactions_ended(bootstrap, topic)
    expected = await expected_outcomes(bootstrap, names.input)
    found = await outputs(bootstrap, names.output, names.input)
    return expected, found + await dead_letters(bootstrap, names.dead_letter, names.input)


async def expected_outcomes(bootstrap: str, topic: str) -> dict[Position, Due]:
    """Every position of the input topic, with what must become of it."""
    return {
        Position(record.partition, record.offset): due(record.key, record.value)
        async for record in each_record(bootstrap, topic, READ_SECONDS)
    }


async def outputs(bootstrap: str, topic: str, input_topic: str) -> list[Output]:
    """The records of the output topic, in offset order within each partition."""
    return await _read(bootstrap, topic, lambda record: verdict_or_tombstone(record, input_topic))


async def dead_letters(bootstrap: str, topic: str, input_topic: str) -> list[Output]:
    """The dead letters in the dead-letter topic, in offset order within each partition; marks of `redrive` are none."""
    return await _read(bootstrap, topic, lambda record: None if is_mark(record) else dead_letter(record, input_topic))


async def _read(
    bootstrap: str, topic: str, parse: Callable[[ConsumerRecord[bytes, bytes]], Output | None]
) -> list[Output]:
    parsed = [parse(record) async for record in each_record(bootstrap, topic, READ_SECONDS)]
    return sorted((output for output in parsed if output is not None), key=lambda output: output.at)


def is_mark(record: ConsumerRecord[bytes, bytes]) -> bool:
    """Whether a record of the dead-letter topic only says what `redrive` has put back."""
    return ("schema", SCHEMA) in record.headers


def verdict_or_tombstone(record: ConsumerRecord[bytes, bytes], input_topic: str) -> Output:
    """A record of the output topic: verdicts name their source in the value, tombstones in their headers."""
    at = Position(record.partition, record.offset)
    if record.value is None:
        source = _position(_headers(record), "source_", input_topic)
        return Output(Kind.TOMBSTONE, source, at, record.timestamp)
    try:
        verdict = orjson.loads(record.value)
        source = Position(verdict["source"]["partition"], verdict["source"]["offset"])
        own = verdict["source"]["topic"] == input_topic
        shown = orjson.dumps([verdict["event_id"], verdict["scores"]]).decode()
    except (ValueError, TypeError, KeyError):
        return Output(Kind.VERDICT, None, at, record.timestamp)
    return Output(Kind.VERDICT, source if own else None, at, record.timestamp, decision=shown)


def dead_letter(record: ConsumerRecord[bytes, bytes], input_topic: str) -> Output:
    """A record of the dead-letter topic: its headers name its source and reason."""
    headers = _headers(record)
    source = _position(headers, "", input_topic)
    at = Position(record.partition, record.offset)
    return Output(Kind.DEAD_LETTER, source, at, record.timestamp, reason=headers.get("reason", ""))


def _headers(record: ConsumerRecord[bytes, bytes]) -> dict[str, str]:
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}


def _position(headers: dict[str, str], prefix: str, input_topic: str) -> Position | None:
    try:
        position = Position(int(headers[f"{prefix}partition"]), int(headers[f"{prefix}offset"]))
    except (KeyError, ValueError):
        return None
    return position if headers.get(f"{prefix}topic") == input_topic else None
