"""Bounds of one pipeline."""

from dataclasses import dataclass, field

from worker.core.breaker import BreakerRule
from worker.core.retry import Backoff


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds. `backoff` bounds the wait for acknowledgements and commits too: its deadline is theirs.

    Giving up partitions takes `drain_timeout` and `last_commit_timeout` at most.
    Without a `breaker` nothing but memory pauses intake. `known_windows`: scores that are kept; 0: every window is scored.
    """

    max_posts: int = 2000
    max_bytes: int = 64 * 1024 * 1024
    batch_tokens: int = 256
    known_windows: int = 0
    scoring_threads: int = 1
    commit_interval: float = 1.0
    drain_timeout: float = 25.0
    last_commit_timeout: float = 10.0
    pause_after: float = 1.0
    backoff: Backoff = field(default_factory=Backoff)
    breaker: BreakerRule | None = None
