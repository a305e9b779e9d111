"""Virtual time: an event loop whose clock jumps to the next timer, and an executor that runs on it."""

import asyncio
import heapq
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DeadlockError(Exception):
    """Nothing is ready and no timer is set: in real life this program would hang."""


class _Jump(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError("nothing is ready and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only while nothing is ready to run, so `asyncio.sleep` waits until all else has settled.

    Neither sockets nor threads: what would run in a thread goes to `LoopExecutor`.
    """

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def _write_to_self(self) -> None:
        """Wake nobody: there is one thread."""


class LoopExecutor(Executor):
    """Runs each call on the running loop: in turn where all `threads` are busy, `delay()` virtual seconds after it began."""

    def __init__(self, threads: int, delay: Callable[[], float]) -> None:
        self._free = [0.0] * threads
        self._delay = delay

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()
        loop = asyncio.get_running_loop()
        ends = max(loop.time(), heapq.heappop(self._free)) + self._delay()
        heapq.heappush(self._free, ends)
        loop.call_at(ends, _run, future, function, args, kwargs)
        return future


def _run(future: "Future[T]", function: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whoever waits for it gets it
        future.set_exception(error)
    else:
        future.set_result(result)
