"""Whose cancellation a CancelledError is."""

import asyncio


def being_cancelled() -> bool:
    """Whether the running task itself is being cancelled, not only something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
