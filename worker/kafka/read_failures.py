"""Failures of reading: how long they may go on, and what to change once that is over."""

import asyncio
import random
from collections.abc import Callable

import structlog
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from worker.core.errors import Fatal
from worker.core.retry import Backoff
from worker.core.trouble import Trouble

log = structlog.get_logger(__name__)


class ReadFailures:
    """Failures of reading `topic` in `group_id` since reading last worked."""

    def __init__(self, topic: str, group_id: str, backoff: Backoff, clock: Callable[[], float]) -> None:
        self._topic = topic
        self._group_id = group_id
        self._backoff = backoff
        self._clock = clock
        self._count = 0
        self._has_read = False  # until then, a refusal is one of permissions that were never granted
        self.trouble: Trouble | None = None

    def worked(self, *, found: bool) -> None:
        """A poll went well; `found`: it brought records."""
        self.trouble = None
        self._count = 0
        self._has_read |= found

    async def wait(self, error: Exception) -> None:
        """Sit out `error`. Raises Fatal where waiting cannot help, or went on too long."""
        now = self._clock()
        self.trouble = Trouble(self.trouble.since if self.trouble else now, repr(error))
        elapsed = now - self.trouble.since
        delay = self._backoff.delay(self._count, elapsed, random.random)
        denied = isinstance(error, (GroupAuthorizationFailedError, TopicAuthorizationFailedError))
        if denied and (delay is None or not self._has_read):
            raise Fatal(
                f"the broker does not let this worker read: grant Read on MODERATION_INPUT_TOPIC ({self._topic}) and on"
                f" MODERATION_GROUP_ID ({self._group_id}) (docs/security.md): {error!r}"
            ) from error
        if delay is None:
            where = f"{self._topic} in group {self._group_id}"
            raise Fatal(f"cannot read {where}: {error!r} (MODERATION_RETRY_DEADLINE_SECONDS)") from error
        log.warning("reading failed, trying again", error=repr(error), failing_for=round(elapsed, 1))
        self._count += 1
        await asyncio.sleep(delay)
