"""Reads a run's topics back and matches every input with its outputs."""

from dataclasses import dataclass

from load_tests import evidence
from load_tests.bench.measures import Pair, pairs
from load_tests.history import Output, Position, Report, check
from load_tests.hostile import due
from load_tests.watch import Names
from tests.harness.topics import each_record


@dataclass(frozen=True, slots=True)
class Seen:
    """What the promises' checker says of the logs, and inputs paired with their first outcome."""

    report: Report
    pairs: list[Pair]


async def observe(bootstrap: str, names: Names) -> Seen:
    """An outcome's time is when the broker appended it (`Names.output_config`): its clock, not the worker's claim."""
    due_ms: dict[Position, int] = {}
    expected = {}
    async for record in each_record(bootstrap, names.input, evidence.READ_SECONDS):
        position = Position(record.partition, record.offset)
        due_ms[position], expected[position] = record.timestamp, due(record.key, record.value)
    outputs = await all_outputs(bootstrap, names)
    return Seen(check(expected, outputs, []), pairs(due_ms, outputs))


async def all_outputs(bootstrap: str, names: Names) -> list[Output]:
    """Verdicts, tombstones and dead letters."""
    verdicts = await evidence.outputs(bootstrap, names.output, names.input)
    return verdicts + await evidence.dead_letters(bootstrap, names.dead_letter, names.input)
