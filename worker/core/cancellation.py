"""Whose cancellation a CancelledError is, and work that an event ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def being_cancelled() -> bool:
    """Whether the running task itself is being cancelled, not only something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Await `work`; False where `event` came first, and `work` was cancelled."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not working.done():
            working.cancel()
    if not working.done():
        return False
    working.result()
    return True
