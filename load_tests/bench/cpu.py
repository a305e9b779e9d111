"""Who used the processors: worker, broker and generator, from /proc."""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` in seconds since 1970; `used`: seconds of processor time so far, of each process with its children."""

    at: float
    used: Mapping[str, float]


def sample(pids: Mapping[str, int]) -> Sample:
    """Raises psutil.NoSuchProcess where one has ended."""
    return Sample(time.time(), {name: sum(map(_seconds, _family(pid))) for name, pid in pids.items()})


def _family(pid: int) -> Iterable[psutil.Process]:
    process = psutil.Process(pid)
    # Our own children are the other processes.
    return [process] if pid == os.getpid() else [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


async def watch(pids: Mapping[str, int], samples: list[Sample]) -> None:
    """Sample until cancelled."""
    while True:
        samples.append(sample(pids))
        await asyncio.sleep(EVERY_SECONDS)


def cores(samples: list[Sample]) -> dict[str, float]:
    """Processors that each had on average, from the first sample to the last."""
    if len(samples) < 2 or samples[-1].at <= samples[0].at:
        return {}
    seconds = samples[-1].at - samples[0].at
    return {name: round((used - samples[0].used[name]) / seconds, 3) for name, used in samples[-1].used.items()}
