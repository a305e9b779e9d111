"""Is the process alive, is it ready: what the parts of the worker report, and the answer with its reasons."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from worker.core.trouble import Doing, Trouble
from worker.core.types import Partition

PATIENCE_SECONDS = 10.0
"""Shorter troubles with Kafka are no news: a leader moves, a broker is restarted."""

LOOP_TIMEOUT_SECONDS = 30.0
"""An event loop silent for so long sends no heartbeats either: the session (45 s) is about to end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`reasons` says what is wrong, in words for an operator; it is empty where `ok`."""

    ok: bool
    reasons: tuple[str, ...] = ()


class Health:
    """Collects signs of life. Every method may be called from any thread; `clock` is monotonic, in seconds.

    Alive: the event loop beats, and no partition has had work without progress for `stall_timeout`. A worker
    that is idle or has no partition is alive, else a rolling update never ends (sentry-kubernetes/charts#2258).
    Ready: the model passed its golden posts and the worker is in the group, with partitions or without.
    """

    def __init__(
        self,
        *,
        stall_timeout: float,
        loop_timeout: float = LOOP_TIMEOUT_SECONDS,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stall_timeout = stall_timeout
        self._loop_timeout = loop_timeout
        self._patience = patience
        self._troubles: dict[Doing, Trouble] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._model_loaded = False
        self._joined = False
        self._last_beat: float | None = None
        self._waiting_since: dict[Partition, float] = {}

    def model_loaded(self) -> None:
        """The model passed its golden posts."""
        with self._lock:
            self._model_loaded = True

    def joined(self, in_group: bool) -> None:
        """The worker is in the consumer group, or no longer."""
        with self._lock:
            self._joined = in_group

    def beat(self) -> None:
        """The event loop runs. From the first beat on, silence counts against the process."""
        with self._lock:
            self._last_beat = self._clock()

    def waiting(self, partition: Partition, has_work: bool) -> None:
        """`partition` has posts in flight, or none. Saying so again does not restart its clock."""
        with self._lock:
            if has_work:
                self._waiting_since.setdefault(partition, self._clock())
            else:
                self._waiting_since.pop(partition, None)

    def progress(self, partition: Partition) -> None:
        """A post of `partition` was finished."""
        with self._lock:
            if partition in self._waiting_since:
                self._waiting_since[partition] = self._clock()

    def forget(self, partition: Partition) -> None:
        """`partition` is another worker's now."""
        self.waiting(partition, has_work=False)

    def kafka(self, doing: Doing, trouble: Trouble | None) -> float:
        """`doing` fails since then, or works (None); returns for how many seconds it has failed."""
        with self._lock:
            if trouble is None:
                self._troubles.pop(doing, None)
                return 0.0
            self._troubles[doing] = trouble
            return self._clock() - trouble.since

    def live(self) -> Answer:
        """Whether to go on; not ok means that a restart would help."""
        with self._lock:
            now = self._clock()
            reasons = []
            if self._last_beat is not None and now - self._last_beat > self._loop_timeout:
                reasons.append(f"the event loop has been silent for {now - self._last_beat:.0f} s")
            reasons += [
                f"{partition.topic}[{partition.partition}] has work but made no progress for {now - since:.0f} s"
                f" (MODERATION_STALL_TIMEOUT_SECONDS={self._stall_timeout:g})"
                for partition, since in sorted(self._waiting_since.items())
                if now - since > self._stall_timeout
            ]
        return Answer(not reasons, tuple(reasons))

    def ready(self) -> Answer:
        """Whether the worker does its job."""
        with self._lock:
            reasons = []
            if not self._model_loaded:
                reasons.append("the model is not loaded yet")
            if not self._joined:
                reasons.append("the worker is not in the consumer group")
            now = self._clock()
            reasons += [
                f"{doing} has failed for {now - trouble.since:.0f} s: {trouble.why}"
                for doing, trouble in sorted(self._troubles.items())
                if now - trouble.since > self._patience
            ]
        return Answer(not reasons, tuple(reasons))
