"""What failed, and whether trying again still makes sense."""

import random
from collections.abc import Callable, Iterable

from worker.core.errors import Fatal
from worker.core.retry import Backoff
from worker.core.trouble import Trouble
from worker.core.types import Partition


class Failures:
    """Failures of publishing since all went well. One partition that never goes on must not hide behind others."""

    def __init__(self, backoff: Backoff, clock: Callable[[], float]) -> None:
        self._backoff = backoff
        self._clock = clock
        self._failing: set[Partition] = set()  # failed, and not committed since
        self._since: float | None = None
        self._count = 0
        self._last = ""
        self.pending: BaseException | None = None
        """The first failure that no recovery has answered yet."""

    @property
    def trouble(self) -> Trouble | None:
        """What fails just now."""
        return None if self._since is None else Trouble(self._since, self._last)

    def note(self, error: BaseException, partition: Partition | None = None) -> None:
        """Something failed; `partition` where it was an output of one."""
        if partition is not None:
            self._failing.add(partition)
        self.pending = self.pending or error

    def gave_up(self, partitions: Iterable[Partition]) -> None:
        """These are someone else's now. That alone does not mean that all is well."""
        self._failing.difference_update(partitions)

    def went_on(self, partitions: Iterable[Partition]) -> None:
        """These were committed, or there is nothing in them to publish."""
        self._failing.difference_update(partitions)
        if not self._failing:
            self._since = None

    def answered(self, again: BaseException | None = None) -> None:
        """A recovery was tried: it worked, or failed with `again`."""
        self.pending = again
        if again is None:
            self.went_on(())

    def delay(self) -> float:
        """Seconds to wait before the next recovery. Raises Fatal where waiting cannot help, or went on too long."""
        if isinstance(self.pending, Fatal):
            raise self.pending
        now = self._clock()
        self._last = str(self.pending)
        self._since, self._count = (now, 0) if self._since is None else (self._since, self._count + 1)
        delay = self._backoff.delay(self._count, now - self._since, random.random)
        if delay is None:
            raise Fatal(
                f"publishing kept failing for {now - self._since:.0f} s (MODERATION_ACK_DEADLINE_SECONDS): {self.pending}"
            ) from self.pending
        return delay
