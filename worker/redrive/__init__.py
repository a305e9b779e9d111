"""`moderation-worker redrive`: puts dead letters back into the input topic, each at most once."""

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import orjson
from aiokafka.errors import KafkaError
from tqdm import tqdm

from worker.core.errors import Fatal, Transient
from worker.kafka.cluster import inspect
from worker.kafka.producer import BATCH_BYTES
from worker.ops import logs
from worker.redrive.errors import explain
from worker.redrive.letters import Letter
from worker.redrive.marks import Marks, decode, is_mark
from worker.redrive.reading import Letters
from worker.redrive.selection import Selection, Tally, select
from worker.redrive.writing import Transactions
from worker.settings import Settings, load
from worker.wiring import connection, existing

INTERRUPTED = 130
RECORDS_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 1024 * 1024
NAMED = 20
"""Dead letters named on stderr because they cannot be put back; the rest are counted only."""


def main(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit status. Raises Fatal with what to change."""
    settings = load()
    logs.configure("CRITICAL")  # the errors raised say it better than the libraries' logs
    try:
        return asyncio.run(_Redrive(settings, arguments).run())
    except Transient as error:
        raise Fatal(str(error)) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise explain(error, settings, transactional_id(settings)) from error


def transactional_id(settings: Settings) -> str:
    """By this the brokers know two redrives of one group, and shut out the older."""
    return f"{settings.group_id}.redrive"


class _Redrive:
    def __init__(self, settings: Settings, arguments: argparse.Namespace) -> None:
        self._settings = settings
        self._arguments = arguments
        self._tally = Tally()
        self._done = Marks()
        self._stop = asyncio.Event()
        self._named = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)
        settings, client = self._settings, connection(self._settings)
        facts = await inspect(client, [settings.input_topic, settings.dead_letter_topic])
        posts = existing(settings.input_topic, facts.get(settings.input_topic), "MODERATION_INPUT_TOPIC")
        letters = existing(
            settings.dead_letter_topic, facts.get(settings.dead_letter_topic), "MODERATION_DEAD_LETTER_TOPIC"
        )
        wanted = Selection(
            topic=settings.input_topic,
            reasons=frozenset(self._arguments.reason or ()),
            since_ms=_milliseconds(self._arguments.since),
            until_ms=_milliseconds(self._arguments.until),
            largest=posts.max_message_bytes,
        )
        async with AsyncExitStack() as stack:
            transactions = None
            if not self._arguments.dry_run:
                # Before the marks are read: from here on no other redrive of this group can add one.
                transactions = await stack.enter_async_context(
                    Transactions(
                        client,
                        transactional_id(settings),
                        input_topic=(settings.input_topic, posts.partitions),
                        dead_letter_topic=(settings.dead_letter_topic, letters.partitions),
                        deadline=settings.ack_deadline_seconds,
                        batch_bytes=min(f.max_message_bytes or BATCH_BYTES for f in (posts, letters)),
                    )
                )
            reader = Letters(client, settings.dead_letter_topic, letters.partitions, settings.retry_deadline_seconds)
            await stack.enter_async_context(reader)
            await self._read_marks(reader)
            await self._redrive(reader, wanted, transactions)
        interrupted = self._stop.is_set()
        summary = self._tally.summary(dry_run=self._arguments.dry_run, interrupted=interrupted)
        sys.stdout.write(orjson.dumps(summary).decode() + "\n")
        sys.stdout.flush()
        return INTERRUPTED if interrupted else 0

    def _interrupt(self) -> None:
        """Stop after this transaction; a second Ctrl-C ends at once."""
        self._stop.set()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    async def _read_marks(self, reader: Letters) -> None:
        with _bar(reader.size, "reading marks") as bar:
            async for record in reader.records(self._stop.is_set, bar.update):
                if is_mark(record):
                    self._done.add(decode(record, self._settings.input_topic))

    async def _redrive(self, reader: Letters, wanted: Selection, transactions: Transactions | None) -> None:
        limit, rate = self._arguments.limit or sys.maxsize, self._arguments.rate
        at_once = min(RECORDS_AT_ONCE, max(1, int(rate))) if rate else RECORDS_AT_ONCE
        pending: list[Letter] = []
        size = 0
        with _bar(reader.size, "dry run" if transactions is None else "redriving") as bar:
            async for record in reader.records(self._stop.is_set, bar.update):
                if self._tally.matched.total() >= limit:
                    break
                found = select(record, wanted, self._done)
                if not isinstance(found, Letter):
                    self._skip(found, record.partition.partition, record.offset)
                    continue
                self._tally.matched[found.reason] += 1
                self._done.add([found.origin])
                pending.append(found)
                size += record.size
                if len(pending) >= at_once or size >= BYTES_AT_ONCE:
                    await self._put(transactions, pending)
                    pending, size = [], 0
            if pending and not self._stop.is_set():
                await self._put(transactions, pending)

    async def _put(self, transactions: Transactions | None, letters: list[Letter]) -> None:
        if transactions is None or self._stop.is_set():
            return
        clock = asyncio.get_running_loop().time
        start = clock()
        await transactions.put(letters)
        self._tally.redriven += len(letters)
        if self._arguments.rate:
            try:
                async with asyncio.timeout_at(start + len(letters) / self._arguments.rate):
                    await self._stop.wait()
            except TimeoutError:
                pass

    def _skip(self, why: str | None, partition: int, offset: int) -> None:
        if why is None:
            return
        self._tally.skipped[why] += 1
        if why in ("truncated", "key_truncated", "tombstone_without_key", "too_large", "not_a_dead_letter"):
            self._named += 1
            if self._named <= NAMED:
                place = f"{self._settings.dead_letter_topic}, partition {partition}, offset {offset}"
                tqdm.write(f"cannot be put back: {place}: {why}", file=sys.stderr)


def _bar(total: int, what: str) -> "tqdm[Any]":
    return tqdm(total=total, unit=" offsets", desc=what, disable=None)


def _milliseconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1000)
