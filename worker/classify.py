"""`moderation-worker classify`: JSON Lines posts in, JSON Lines verdicts out, through the very pipeline that Kafka has.

A line is a record at offset = line number (from 0) of partition 0; the output order is the input order.
"""

import argparse
import asyncio
import os
import signal
import stat
import sys
import threading
import time
from asyncio import Future
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO, Any

import orjson
from tqdm import tqdm

from worker.core.errors import Fatal
from worker.core.policy import Decision
from worker.core.ports import Rebalance, Sink, Source
from worker.core.types import Channel, Outgoing, Partition, Record, Scores
from worker.engine import build_engine
from worker.explain.verdicts import explained
from worker.ops.metrics import Metrics
from worker.pipeline import Limits, Pipeline
from worker.settings import load
from worker.settings.bundles import bundle_directory

READ_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
INTERRUPTED = 130  # exit status after Ctrl-C: lines may be unread


def main(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit status. Raises Fatal with what to change."""
    return asyncio.run(_classify(arguments))


async def _classify(arguments: argparse.Namespace) -> int:
    settings = load(broker=False)
    if arguments.bundle is not None:
        settings = settings.model_copy(update={"bundle": bundle_directory(arguments.bundle)})
    counts: Counter[str] = Counter()

    def decided(decision: Decision, _scores: Scores) -> None:
        counts[decision.action.value] += 1

    engine = build_engine(settings, limits=dict.fromkeys(Channel, sys.maxsize), decided=decided)
    encode = engine.encode
    if arguments.explain is not None:
        encode = explained(encode, engine.decode, engine.classifier, engine.policy, arguments.explain or None)
    with _reported(), ExitStack() as files:
        source_file = _input(files, arguments.file)
        size = os.fstat(source_file.fileno()).st_size
        dead_letters = arguments.dead_letters
        _refuse_shared(source_file, arguments.output, dead_letters)
        sink = FileSink(_output(files, arguments.output), _output(files, dead_letters) if dead_letters else None)
        bar = files.enter_context(
            tqdm(total=size or None, unit="B", unit_scale=True, disable=True if arguments.no_progress else None)
        )
        pipeline = Pipeline(
            source=FileSource(source_file, arguments.file),
            sink=sink,
            prepare=engine.prepare,
            score=engine.score,
            encode=encode,
            observer=_Progress(bar),
            limits=Limits(scoring_threads=engine.scoring_threads, batch_tokens=settings.batch_tokens),
            clock=time.monotonic,
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, pipeline.stop)
        start = time.monotonic()
        try:
            await pipeline.run()
        except* (Fatal, OSError) as group:
            raise group.exceptions[0] from None
        seconds = time.monotonic() - start
    verdicts = ", ".join(f"{counts[action]} {action}" for action in ("allow", "review", "block"))
    posts, rate = counts.total(), counts.total() / seconds if seconds else 0.0
    tqdm.write(f"{posts} posts: {verdicts}; {sink.dead_letters} dead letters; {rate:,.0f} posts/s", file=sys.stderr)
    return INTERRUPTED if pipeline.stopped else 0


@contextmanager
def _reported() -> Iterator[None]:
    """Say in one line that a file failed; a reader that left is for the command line to answer."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Fatal(f"a file cannot be read or written: {error}") from error


def _input(files: ExitStack, name: str) -> FileIO:
    """Open without a buffer: a thread that waits in one would keep the process from ending."""
    if name == "-":
        return files.enter_context(FileIO(sys.stdin.fileno(), "rb", closefd=False))
    try:
        return files.enter_context(FileIO(name, "rb"))
    except OSError as error:
        raise Fatal(f"{name}: cannot be opened: {error.strerror}") from error


def _refuse_shared(source: FileIO, verdicts: str, dead_letters: str | None) -> None:
    """Raise Fatal, before anything is opened for writing, where one file has two parts to play under any names."""
    read = os.fstat(source.fileno())
    outputs = [(name, _place(name)) for name in (verdicts, dead_letters) if name is not None]
    for name, place in outputs:
        if stat.S_ISREG(read.st_mode) and place == (read.st_dev, read.st_ino):
            raise Fatal(f"{name}: is the input, and would be overwritten: name another file")
    if len(outputs) == 2 and outputs[0][1] is not None and outputs[0][1] == outputs[1][1]:
        raise Fatal(f"{dead_letters}: is named for both --output and --dead-letters: name another file for one of them")


def _place(name: str) -> tuple[int, int] | str | None:
    """What an output is, whatever its name; None where two can write to it without harm, as to /dev/null."""
    try:
        found = os.fstat(sys.stdout.fileno()) if name == "-" else Path(name).stat()
    except OSError:  # not there yet, or opening it will say why not
        return os.path.realpath(name)
    if stat.S_ISREG(found.st_mode):
        return found.st_dev, found.st_ino
    return name if name == "-" else None


def _output(files: ExitStack, name: str) -> IO[bytes]:
    if name == "-":  # a buffer of our own: what could not be written must not be tried again when Python ends
        return files.enter_context(open(sys.stdout.fileno(), "wb", closefd=False))
    try:
        return files.enter_context(Path(name).open("wb"))
    except OSError as error:
        raise Fatal(f"{name}: cannot be opened: {error.strerror}") from error


class FileSource(Source):
    """Lines of a stream as records of one partition; blank lines are no records, nor is a mark before the first."""

    def __init__(self, stream: FileIO, name: str) -> None:
        self._stream = stream
        self._partition = Partition(name, 0)
        self._lines: deque[Record] = deque()
        self._rest = b""
        self._number = 0
        self._ended = False

    async def join(self, rebalance: Rebalance) -> None:
        """See Source."""
        rebalance.assigned([self._partition])

    async def poll(self, max_records: int) -> Sequence[Record] | None:
        """See Source."""
        while not (self._lines or self._ended or max_records == 0):
            self._split(await self._read())
        if self._ended and not self._lines:
            return None
        return [self._lines.popleft() for _ in range(min(max_records, len(self._lines)))]

    async def _read(self) -> bytes:
        """Wait for the stream in a daemon thread: unlike a pool's, it does not keep Ctrl-C waiting for a line."""
        loop = asyncio.get_running_loop()
        result: Future[bytes] = loop.create_future()

        def settle(read: bytes | OSError) -> None:
            if result.done():  # cancelled
                return
            if isinstance(read, OSError):
                result.set_exception(read)
            else:
                result.set_result(read)

        def wait() -> None:
            read: bytes | OSError
            try:
                read = self._stream.read(READ_BYTES)
            except OSError as error:
                read = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, read)

        threading.Thread(target=wait, name="input", daemon=True).start()
        return await result

    def _split(self, read: bytes) -> None:
        self._ended = not read
        *lines, self._rest = (self._rest + read).split(b"\n")
        if self._ended:
            lines.append(self._rest)
        for whole in lines:
            line = whole if self._number else whole.removeprefix(BYTE_ORDER_MARK)  # as spreadsheets write it
            if line.strip():
                self._lines.append(Record(self._partition, self._number, -1, None, line.rstrip(b"\r")))
            self._number += 1

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """A file keeps no offsets."""

    async def rewind(self) -> None:
        """A file is read once: what could not be written is reported."""


class FileSink(Sink):
    """Verdicts to one stream; dead letters as JSON to another, or without one a line each on stderr that hides them."""

    def __init__(self, verdicts: IO[bytes], dead_letters: IO[bytes] | None) -> None:
        self._verdicts = verdicts
        self._dead_letters = dead_letters
        self.dead_letters = 0

    async def send(self, partition: Partition, outgoing: Outgoing) -> "Future[Any]":
        """See Sink."""
        del partition
        if outgoing.channel is Channel.OUTPUT:
            self._verdicts.write((outgoing.value or b"null") + b"\n")
            self._verdicts.flush()  # acknowledged means written; a reader of the pipe need not wait either
        else:
            self.dead_letters += 1
            headers = {name: value.decode("utf-8", "replace") for name, value in outgoing.headers}
            if self._dead_letters is None:
                line = int(headers["offset"]) + 1
                tqdm.write(f"line {line}: {headers['reason']}: {headers['detail']}", file=sys.stderr)
            else:
                value = (outgoing.value or b"").decode("utf-8", "backslashreplace")
                self._dead_letters.write(orjson.dumps({**headers, "value": value}) + b"\n")
        done: Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def halt(self) -> None:
        """What was written stays written."""

    async def reset(self, error: BaseException) -> None:
        """A file that cannot be written stays so."""
        raise error


class _Progress(Metrics):
    """The pipeline's reports, of which a terminal shows how far the file is read."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        super().__init__()
        self._bar = bar

    def acknowledged(self, record: Record, outputs: Sequence[Outgoing]) -> None:
        """See Observer."""
        super().acknowledged(record, outputs)
        self._bar.update(len(record.value or b"") + 1)
