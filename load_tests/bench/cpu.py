"""Who used the processors: worker, broker and generator, and other guests of the machine, from /proc."""

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


@dataclass(frozen=True, slots=True)
class Machine:
    """Seconds of all processors so far, and of these the ones that other guests took while there was work here."""

    whole: float
    stolen: float


def machine() -> Machine:
    """Where the system says nothing of other guests, 0 were taken."""
    times = psutil.cpu_times()
    parts = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return Machine(sum(getattr(times, part, 0.0) for part in parts), getattr(times, "steal", 0.0))


def stolen_share(before: Machine, after: Machine) -> float:
    """Of the time between the two."""
    whole = after.whole - before.whole
    return round((after.stolen - before.stolen) / whole, 3) if whole > 0 else 0.0


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
