"""`python -m load_tests.counted`: the real worker, which writes how many asyncio tasks it has into a file now and then.

No other process can count them. The file is named by the environment variable TASKS_FILE.
"""

import asyncio
import os
import sys
from pathlib import Path

from worker.app import Worker
from worker.cli import main

EVERY_SECONDS = 0.5
TASKS_FILE = "TASKS_FILE"


def install(file: Path) -> None:
    """Let each worker of this process count its tasks, without the one that counts."""
    original = Worker.serve

    async def serve(self: Worker) -> int:
        counting = asyncio.create_task(_count(file))
        try:
            return await original(self)
        finally:
            counting.cancel()

    Worker.serve = serve  # type: ignore[method-assign]


async def _count(file: Path) -> None:
    while True:
        file.write_text(str(len(asyncio.all_tasks()) - 1), encoding="ascii")  # noqa: ASYNC240 - a few bytes
        await asyncio.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    install(Path(os.environ[TASKS_FILE]))
    sys.exit(main(["run"]))
