"""Drives the workers through one run and notes what it sees; judging is `history`'s business."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from load_tests.history import Snapshot
from load_tests.watch import Watch
from load_tests.workers import Worker
from tests.harness.gate import Gate

TICK_SECONDS = 0.25
PROGRESS_SECONDS = 2.0
STALL_SECONDS = 90.0
EARLIEST_KILL, LATEST_KILL = 0.3, 0.7


class RunError(Exception):
    """The run cannot go on. The message says what was seen and where to look."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A kill -9 when the share `at` of the output is there; for `outage` seconds before, only commits get through."""

    at: float
    outage: float = 0.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill as it happened: the share of the output that was there, the victim and its partitions' open positions."""

    at: float
    worker: str
    open_positions: int


@dataclass(slots=True)
class Observed:
    """What was seen of a run: snapshots in time order, how workers were killed, how they ended.

    `incomplete`: it was given up, for the last of the faults.
    """

    snapshots: list[Snapshot] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    exit_statuses: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    incomplete: bool = False

    def give_up(self, error: RunError) -> None:
        """Note that the run cannot go on, and why."""
        self.incomplete = True
        self.faults.append(str(error).splitlines()[0])


class Drive:
    """One run over an input topic that is empty at first; the workers speak to the broker through `gate`.

    `deadline` is a time.monotonic() time.
    """

    def __init__(self, watch: Watch, gate: Gate, workers: Sequence[Worker], deadline: float) -> None:
        self.observed = Observed()
        self._gate = gate
        self._watch = watch
        self._workers = workers
        self._ends: Mapping[int, int] = {}
        self._deadline = deadline
        self._moved = self._printed = time.monotonic()
        self._printed_out = 0

    async def run(self, crashes: Sequence[Crash], load: Callable[[], Awaitable[None]]) -> None:
        """Start, `load` the input, crash a worker now and then and restart it, drain, stop. Raises RunError.

        Loaded only once the workers share the partitions, or few posts would be done by the first of them.
        """
        for worker in self._workers:
            worker.start()
        await self._until(self._all_work, "every worker to hold partitions")
        await load()
        self._ends = await self._watch.input_ends()
        for crash in crashes:
            await self._until(partial(self._reached, crash.at), f"{crash.at:.0%} of the output")
            await self._until(self._all_work, "every worker to hold partitions")
            if self.observed.kills and self._share() > LATEST_KILL:
                say(f"no further crash: {self._share():.0%} of the output is there already")
                break
            await self._crash(crash)
        await self._until(self._drained, "every position to be committed")
        await self._stop()

    async def _crash(self, crash: Crash) -> None:
        if crash.outage > 0:
            say(f"for {crash.outage:.0f} s outputs do not reach the broker, only commits do")
            self._gate.hold()
            await self._for(crash.outage)
        victim = await self._kill()
        self._gate.release()
        victim.start()

    async def _kill(self) -> Worker:
        await self._until(self._all_work, "every worker to hold partitions")
        held = dict(await self._watch.members())
        latest = await self._tick()
        work = {worker: self._lag(latest, held.get(worker.name, frozenset())) for worker in self._workers}
        victim = max(work, key=lambda worker: work[worker])
        share = self._share()
        victim.kill()
        await self._tick()  # after the kill, before the restart
        self.observed.kills.append(Kill(round(share, 3), victim.name, work[victim]))
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
        held = await self._watch.members()
        names = sorted(name for name, partitions in held if partitions)
        return len(held) == len(names) and names == sorted(worker.name for worker in self._workers)

    async def _drained(self) -> bool:
        return self._lag(self._latest) == 0

    async def _reached(self, share: float) -> bool:
        return self._share() >= share

    async def _until(self, reached: Callable[[], Awaitable[bool]], what: str) -> None:
        while True:
            await self._tick()
            if await reached():
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
            say(
                f"in {sum(self._ends.values())}  out {self._out()}  dead letters {dead}  lag {self._lag(snapshot)}  {rate:.0f}/s"
            )
            self._printed, self._printed_out = now, self._out()
        return snapshot

    @property
    def _latest(self) -> Snapshot:
        return self.observed.snapshots[-1]

    def _out(self) -> int:
        return sum(self._latest.output_ends.values())

    def _share(self) -> float:
        return self._out() / max(1, sum(self._ends.values()))

    def _lag(self, snapshot: Snapshot, partitions: frozenset[int] | None = None) -> int:
        """Positions not committed yet, in these partitions or all."""
        chosen = self._ends if partitions is None else {p: self._ends[p] for p in partitions}
        return sum(end - snapshot.committed.get(partition, 0) for partition, end in chosen.items())


def say(message: str) -> None:
    """Progress, on stderr: stdout is the result's."""
    print(message, file=sys.stderr, flush=True)
