"""The words of the flow as values: record, post, verdict, dead letter, position."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
Window: TypeAlias = Sequence[int]
"""Token ids of one model input, special tokens included: at most the bundle's maximum length."""
Scores: TypeAlias = tuple[float, ...]
"""Independent probabilities, one per label, in the order of the bundle's labels."""
SCORE_BUCKETS = tuple(step / 10 for step in range(1, 11))
"""Upper bounds, inclusive, by which scores are counted: in the metrics and in a bundle's reference."""


class Partition(NamedTuple):
    """A topic's partition; equal to (and hashing like) aiokafka's TopicPartition."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as read. `timestamp_ms` is -1 where the record carries none."""

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes of key, value and headers: what the record is charged in the memory budget."""
        return len(self.key or b"") + len(self.value or b"") + sum(len(k) + len(v or b"") for k, v in self.headers)


@dataclass(frozen=True, slots=True)
class PostRef:
    """What identifies a post and its content, without the content. `content_hash` is lower-case hex SHA-256."""

    id: str
    revision: int | None
    content_hash: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """A decoded, valid input. Texts are as the author wrote them, but for NULs and lone surrogates."""

    ref: PostRef
    text: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The post under the record's key was deleted."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A valid post that was too old when it was read: it goes to review unscored, and is no dead letter."""

    post: PostRef


@dataclass(frozen=True, slots=True)
class Scorable:
    """A post ready for the model: one window or more (title and long texts have windows of their own)."""

    post: PostRef
    windows: tuple[Window, ...]

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("a post without windows would never be scored")


@dataclass(frozen=True, slots=True)
class Scored:
    """A post with its scores, pooled over `windows` windows by maximum."""

    post: PostRef
    scores: Scores
    windows: int


class Channel(Enum):
    """The two topics a worker writes."""

    OUTPUT = "output"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to publish. `value` None is a tombstone."""

    channel: Channel
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
