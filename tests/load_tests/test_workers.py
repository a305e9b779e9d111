"""What is done to a worker's process: limits that bite, and that can be lifted again."""

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from load_tests.watch import Names
from load_tests.workers import Worker

SCRIPT = """
import sys, time
while True:
    try:
        bytearray(64 * 1024 * 1024)
        print("memory", flush=True)
    except MemoryError:
        print("no memory", flush=True)
    except OSError as error:
        sys.stdout = open(sys.stdout.fileno(), "w", closefd=False)
    time.sleep(0.02)
"""


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    command = shlex.join([sys.executable, "-c", SCRIPT])
    return Worker("a", "127.0.0.1:1", Names(), tmp_path, command=command)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def grows(worker: Worker, text: str) -> None:
    before = worker.tail(1_000_000).count(text)
    until(lambda: worker.tail(1_000_000).count(text) > before + 1)


def test_a_starved_worker_gets_no_memory_until_it_is_fed(worker: Worker) -> None:
    with worker:
        worker.start()
        grows(worker, "\nmemory")
        worker.starve(hungry=True)
        grows(worker, "no memory")
        worker.starve(hungry=False)
        grows(worker, "\nmemory")


def test_a_worker_on_a_full_disk_writes_nothing_until_there_is_room(worker: Worker) -> None:
    with worker:
        worker.start()
        grows(worker, "\nmemory")
        worker.fill_disk(full=True)
        time.sleep(0.1)  # what it was writing
        size = len(worker.tail(1_000_000))
        time.sleep(0.5)
        assert len(worker.tail(1_000_000)) == size
        assert worker.ended() is None
        worker.fill_disk(full=False)
        grows(worker, "\nmemory")
