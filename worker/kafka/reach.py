"""Is there a broker at all? aiokafka's consumer looks for one silently and without end."""

from typing import Any

from worker.core.errors import Fatal
from worker.core.trouble import Trouble


class Reach:
    """Whether a client is connected to any broker, as of the last `look`. Heartbeats keep connections busy."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.trouble: Trouble | None = None

    def look(self, client: Any, now: float) -> None:
        """Note how things are at `now`. Raises Fatal past the deadline, in seconds.

        A moment between two connections counts too: look often, and take no notice of what is short.
        """
        if any(connection.connected() for connection in list(client._conns.values())):  # noqa: SLF001 - it does not tell
            self.trouble = None
        elif self.trouble is None:
            self.trouble = Trouble(now, "no broker can be reached (MODERATION_BOOTSTRAP_SERVERS)")
        elif now - self.trouble.since >= self._deadline:
            raise Fatal(f"for {now - self.trouble.since:.0f} s (MODERATION_RETRY_DEADLINE_SECONDS) {self.trouble.why}")
