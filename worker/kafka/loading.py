"""How long a group's coordinator was seen not to be ready, and so for how long its word on commits may be too early."""

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

NOT_READY = frozenset(
    error.errno for error in (GroupLoadInProgressError, GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)
)
APART_SECONDS = 10.0
"""Answers further apart tell of two times. More than the interval of heartbeats, which are answered while nothing else is asked."""
MOST_SECONDS = 20.0
"""Of doubt. Less than the source gives to the opening of partitions, which goes on doubting when it is tried again."""


class Loading:
    """Hears the codes of a coordinator's answers. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: float | None = None
        self._last = 0.0

    def heard(self, code: int) -> None:
        """The coordinator answered with `code`, 0 for no error."""
        if code not in NOT_READY:
            return
        now = self._clock()
        if self._first is None or now - self._last > APART_SECONDS:
            self._first = now
        self._last = now

    def doubtful_seconds(self) -> float:
        """From now on: as long again as the coordinator was not ready. 0 where it was not seen so, or long ago."""
        if self._first is None:
            return 0.0
        return max(0.0, self._last + min(self._last - self._first, MOST_SECONDS) - self._clock())


_of: WeakKeyDictionary[Any, Loading] = WeakKeyDictionary()


def loading_of(coordinator: Any) -> Loading:
    """What was heard by this group coordinator of aiokafka's, one for each consumer."""
    return _of.setdefault(coordinator, Loading())
