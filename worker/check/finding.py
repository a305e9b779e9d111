"""What a check found."""

from dataclasses import dataclass
from enum import Enum


class Mark(Enum):
    """How a check ended."""

    FINE = "✓"
    WARNING = "!"
    WRONG = "✗"
    SKIPPED = "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what was seen there, or what to change. Printed, further lines are indented."""

    mark: Mark
    subject: str
    text: str

    def __str__(self) -> str:
        return "\n    ".join(f"{self.mark.value} {self.subject}: {self.text}".splitlines())
