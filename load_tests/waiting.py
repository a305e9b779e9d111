"""Waits until a worker has done all there is, without being in its way."""

import asyncio
import time
from collections.abc import Callable

from load_tests.drive import RunError
from load_tests.watch import Watch
from load_tests.workers import Worker

STALL_SECONDS = 120.0
POLL_SECONDS = 1.0


async def until_done(
    worker: Worker, watch: Watch, told: Callable[[int, int], None] | None = None, share: float = 1.0
) -> None:
    """Until this share of the input's positions is committed; `told` hears of done and all, now and then.

    Raises RunError where the worker ends before, or nothing moves.
    """
    moved, before = time.monotonic(), -1
    while True:
        done = sum((await watch.committed()).values())
        there = sum((await watch.input_ends()).values())
        if told is not None:
            told(done, there)
        if done >= share * there:
            return
        if done != before:
            moved, before = time.monotonic(), done
        if worker.ended() is not None or time.monotonic() - moved > STALL_SECONDS:
            raise RunError(f"{worker.name} did not get through. The end of its log:\n{worker.tail()}")
        await asyncio.sleep(POLL_SECONDS)
