"""Retry schedules: exponential back-off with full jitter, bounded by a deadline.

Full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015): many workers that lost the same broker
do not come back at the same moment.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: random in [0, min(cap, base × 2^attempt)], until `deadline` seconds after the first failure."""

    base: float = 0.1
    cap: float = 10.0
    deadline: float = 600.0

    def delay(self, attempt: int, elapsed: float, uniform: Callable[[], float]) -> float | None:
        """Seconds to wait before try `attempt` (from 0), `elapsed` seconds after the first failure; None: give up.

        `uniform` yields numbers in [0, 1).
        """
        if elapsed >= self.deadline:
            return None
        ceiling = min(self.cap, self.base * 2.0 ** min(attempt, 30))
        return float(min(uniform() * ceiling, self.deadline - elapsed))
