"""Which dead letters to put back, and the count of those that stay."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from worker.core.types import Record
from worker.redrive.letters import Letter, read
from worker.redrive.marks import Marks, is_mark
from worker.wire.sizes import record_size


@dataclass(frozen=True, slots=True)
class Selection:
    """What the operator asks for. Times in milliseconds since 1970, of the dead letter; `until_ms` is left out."""

    topic: str
    reasons: Collection[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    largest: int | None = None
    """Bytes the input topic takes, where known."""


@dataclass(slots=True)
class Tally:
    """The counts of one run."""

    matched: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    redriven: int = 0

    def summary(self, *, dry_run: bool, interrupted: bool) -> dict[str, Any]:
        """What the command prints at its end."""
        return {
            "matched": self.matched.total(),
            "redriven": self.redriven,
            "by_reason": dict(sorted(self.matched.items())),
            "skipped": dict(sorted(self.skipped.items())),
            "dry_run": dry_run,
            "interrupted": interrupted,
        }


def select(record: Record, wanted: Selection, done: Marks) -> Letter | str | None:
    """The dead letter to put back, or why it stays, or None for a mark, which is no dead letter."""
    if is_mark(record):
        return None
    letter = read(record)
    if letter is None:
        return "not_a_dead_letter"
    return _unwanted(letter, wanted) or _unfit(letter, wanted, done) or letter


def _unwanted(letter: Letter, wanted: Selection) -> str | None:
    written = letter.record.timestamp_ms
    if letter.topic != wanted.topic:
        return "other_topic"
    if wanted.reasons and letter.reason not in wanted.reasons:
        return "other_reason"
    early = wanted.since_ms is not None and written < wanted.since_ms
    late = wanted.until_ms is not None and written >= wanted.until_ms
    return "other_time" if early or late else None


def _unfit(letter: Letter, wanted: Selection, done: Marks) -> str | None:
    if letter.origin in done:
        return "already_redriven"
    if letter.loss is not None:
        return letter.loss
    size = record_size(letter.record.key, letter.value, letter.headers())
    return "too_large" if wanted.largest is not None and size > wanted.largest else None
