"""Drives the workers through one run and notes what it sees; judging is `history`'s business."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from load_tests.history import Snapshot
from load_tests.watch import Watch
from load_tests.workers import Worker

TICK_SECONDS = 0.25
PROGRESS_SECONDS = 2.0
STALL_SECONDS = 90.0
EARLIEST_KILL, LATEST_KILL = 0.3, 0.7


class RunError(Exception):
    """The run cannot go on. The message says what was seen and where to look."""


@dataclass(slots=True)
class Observed:
    """What was seen of a run: snapshots in time order, how the worker was killed, how the workers ended."""

    snapshots: list[Snapshot] = field(default_factory=list)
    killed_at: float | None = None
    open_positions: int = 0
    exit_statuses: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Drive:
    """One run over an input topic that ends at `ends`; `deadline` is a time.monotonic() time."""

    def __init__(self, watch: Watch, workers: Sequence[Worker], ends: Mapping[int, int], deadline: float) -> None:
        self.observed = Observed()
        self._watch = watch
        self._workers = workers
        self._ends = ends
        self._total = sum(ends.values())
        self._deadline = deadline
        self._moved = self._printed = time.monotonic()
        self._printed_out = 0

    async def run(self, kill_at: float, outage: float) -> None:
        """Start, kill one worker at `kill_at` of the output, restart it, drain, stop. Raises RunError."""
        for worker in self._workers:
            worker.start()
        await self._until(self._all_work, "every worker to hold partitions")
        await self._until(lambda: self._share() >= kill_at, f"{kill_at:.0%} of the output")
        if outage > 0:
            say(f"for {outage:.0f} s the broker takes no outputs, only commits")
            await self._watch.forbid_outputs(forbidden=True)
            await self._for(outage)
        victim = await self._kill()
        if outage > 0:
            await self._watch.forbid_outputs(forbidden=False)
        victim.start()
        await self._until(lambda: self._lag(self._latest) == 0, "every position to be committed")
        await self._stop()

    async def _kill(self) -> Worker:
        held = await self._watch.assignments()
        latest = await self._tick()
        work = {worker: self._lag(latest, held.get(worker.name, frozenset())) for worker in self._workers}
        victim = max(work, key=lambda worker: work[worker])
        share = self._share()
        victim.kill()
        await self._tick()  # after the kill, before the restart
        self.observed.killed_at = round(share, 3)
        self.observed.open_positions = work[victim]
        say(f"killed {victim.name} at {share:.0%} of the output; its partitions had {work[victim]} open positions")
        if not work[victim]:
            raise RunError("no worker held a partition with open positions when one was to be killed: use more --posts")
        if not EARLIEST_KILL <= share <= LATEST_KILL:
            raise RunError(f"the kill came at {share:.0%} of the output, too far from the middle: use more --posts")
        return victim

    async def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            status = await asyncio.to_thread(worker.wait)
            self.observed.exit_statuses[worker.name] = status
            if status != 0:
                self.observed.faults.append(f"{worker.name} ended with status {status} after SIGTERM, not 0")
                say(f"the end of its log:\n{worker.tail()}")
        await self._tick()

    async def _all_work(self) -> bool:
        held = await self._watch.assignments()
        return all(held.get(worker.name) for worker in self._workers)

    async def _until(self, reached: Callable[[], object], what: str) -> None:
        while True:
            await self._tick()
            found = reached()
            if await found if asyncio.iscoroutine(found) else found:
                return
            self._check(what)
            await asyncio.sleep(TICK_SECONDS)

    async def _for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._tick()
            await asyncio.sleep(TICK_SECONDS)

    def _check(self, what: str) -> None:
        for worker in self._workers:
            if (status := worker.ended()) is not None:
                raise RunError(
                    f"{worker.name} ended by itself with status {status}. The end of its log:\n{worker.tail()}"
                )
        now = time.monotonic()
        if now > self._deadline:
            raise RunError(f"the time limit passed while waiting for {what}")
        if now - self._moved > STALL_SECONDS:
            logs = "\n".join(f"{worker.name}:\n{worker.tail(1500)}" for worker in self._workers)
            raise RunError(f"nothing moved for {STALL_SECONDS:.0f} s while waiting for {what}. Logs:\n{logs}")

    async def _tick(self) -> Snapshot:
        snapshot = await self._watch.snapshot()
        now = time.monotonic()
        if not self.observed.snapshots or snapshot != self._latest:
            self.observed.snapshots.append(snapshot)
            self._moved = now
        if now - self._printed >= PROGRESS_SECONDS:
            rate = (self._out() - self._printed_out) / (now - self._printed)
            dead = sum(snapshot.dead_letter_ends.values())
            say(f"in {self._total}  out {self._out()}  dead letters {dead}  lag {self._lag(snapshot)}  {rate:.0f}/s")
            self._printed, self._printed_out = now, self._out()
        return snapshot

    @property
    def _latest(self) -> Snapshot:
        return self.observed.snapshots[-1]

    def _out(self) -> int:
        return sum(self._latest.output_ends.values())

    def _share(self) -> float:
        return self._out() / self._total

    def _lag(self, snapshot: Snapshot, partitions: frozenset[int] | None = None) -> int:
        """Positions not committed yet, in these partitions or all."""
        chosen = self._ends if partitions is None else {p: self._ends[p] for p in partitions}
        return sum(end - snapshot.committed.get(partition, 0) for partition, end in chosen.items())


def say(message: str) -> None:
    """Progress, on stderr: stdout is the result's."""
    print(message, file=sys.stderr, flush=True)
