"""What fails just now and may pass: for the probes and metrics, while the retries go on."""

from dataclasses import dataclass
from enum import StrEnum


class Doing(StrEnum):
    """What a worker does with Kafka, and what may fail by itself. Values are stable: they appear in metrics."""

    READING = "reading"
    PUBLISHING = "publishing"
    COMMITTING = "committing"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Since when something has failed without a success between, on the monotonic clock in seconds, and how, in words."""

    since: float
    why: str
