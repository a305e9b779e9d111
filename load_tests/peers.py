"""`python -m load_tests.peers`: the worker beside the naive way and beside `classify`, on the same posts in one run."""

import argparse
import asyncio
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import orjson

from load_tests.corpus import Post, posts
from load_tests.drive import say
from load_tests.lab import create_topics
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, ROOT, Worker
from tests.harness import Kafka
from tests.harness.topics import each_record, produce

DESCRIPTION = """\
Runs three ways to score the same posts, one after the other, in several rounds, and compares the medians:

  naive     aiokafka and a Hugging Face pipeline (torch, batches of 32 in arrival order)
  worker    moderation-worker run, draining a preloaded topic of a real Kafka
  classify  moderation-worker classify, from file to file

posts/s is from the first output to the last, without start-up; first output is what start-up takes. Both Kafka ways
write to topics that the broker stamps with its own clock. The last line on stdout is one JSON object.

--classifier is a directory written by `moderation-model train`; the bundle in use should have been made from it."""

NAIVE, WORKER, CLASSIFY = "naive", "worker", "classify"
LIMIT_SECONDS = 900.0
POLL_SECONDS = 0.1

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Round:
    """One way's round: posts a second, seconds to the first output, peak resident memory (None: not measured)."""

    posts_per_second: float
    first_output_seconds: float
    peak_memory_mb: float | None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.peers", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--classifier", type=Path, required=True, metavar="DIR", help="trained classifier, for the peer"
    )
    parser.add_argument("--posts", type=int, default=1_500, help="posts in each round (default 1500)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--bundle", type=Path, default=ROOT / "worker" / "bundles" / "default", help="model bundle")
    options = parser.parse_args()
    chosen = list(itertools.islice(posts(), options.posts))
    say(f"{len(chosen)} posts, {options.rounds} rounds")
    return asyncio.run(_compare(chosen, options.rounds, options.classifier.resolve(), options.bundle.resolve()))


async def _compare(chosen: list[Post], rounds: int, classifier: Path, bundle: Path) -> int:
    found: dict[str, list[Round]] = {NAIVE: [], WORKER: [], CLASSIFY: []}
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, Kafka() as kafka:
        bench = _Bench(kafka.bootstrap, Path(folder), chosen, bundle)
        await bench.prepare()
        naive = shlex.join([sys.executable, "-m", "load_tests.naive", str(classifier), str(bundle / "tokenizer.json")])
        same = True
        for number in range(rounds):
            found[NAIVE].append((await bench.through_kafka(NAIVE, number, naive))[0])
            of_worker, by_kafka = await bench.through_kafka(WORKER, number, DEFAULT_COMMAND)
            of_classify, by_file = await asyncio.to_thread(bench.through_classify)
            found[WORKER].append(of_worker)
            found[CLASSIFY].append(of_classify)
            same = same and by_kafka == by_file
            say(
                f"round {number + 1}: "
                + ", ".join(f"{way} {runs[-1].posts_per_second:.0f}/s" for way, runs in found.items())
            )
    print(_table(found))
    medians = {way: statistics.median(run.posts_per_second for run in runs) for way, runs in found.items()}
    summary = {
        "posts": len(chosen),
        "rounds": {way: [asdict(run) for run in runs] for way, runs in found.items()},
        "posts_per_second": medians,
        "against_naive": {way: median / medians[NAIVE] for way, median in medians.items()},
        "same_scores_from_worker_and_classify": same,
    }
    print(json.dumps(summary))
    return 0 if same else 1


class _Bench:
    """The preloaded posts, and the ways to run over them."""

    def __init__(self, bootstrap: str, folder: Path, chosen: list[Post], bundle: Path) -> None:
        self._bootstrap = bootstrap
        self._folder = folder
        self._posts = chosen
        self._bundle = bundle
        self._names = Names(input="peers-posts")
        self._file = folder / "posts.jsonl"

    async def prepare(self) -> None:
        """Write the posts to the input topic and to a file."""
        await create_topics(self._bootstrap, replace(self._names, output="unused", dead_letter="unused-too"))
        await produce(self._bootstrap, self._names.input, ((post.id.encode(), post.value()) for post in self._posts))
        self._file.write_bytes(b"".join(post.value() + b"\n" for post in self._posts))

    async def through_kafka(self, way: str, number: int, command: str) -> tuple[Round, dict[str, Scores]]:
        """Drain the input topic with a group and topics of this round's own. Raises RuntimeError where it fails."""
        names = replace(
            self._names, output=f"{way}-{number}", dead_letter=f"{way}-{number}-dead", group=f"{way}-{number}"
        )
        await create_topics(self._bootstrap, names, with_input=False)
        threads = str(len(os.sched_getaffinity(0)))
        env = {"MODERATION_SCORING_THREADS": threads, "MODERATION_BUNDLE": str(self._bundle)}
        with Worker(f"{way}-{number}", self._bootstrap, names, self._folder, command=command, env=env) as worker:
            started = time.time()
            worker.start()
            async with Watch(self._bootstrap, names) as watch:
                await self._until_done(watch, worker, started)
            memory = _peak_memory_mb(worker.pid)
        found: dict[str, Scores] = {}
        stamps = []
        async for record in each_record(self._bootstrap, names.output):
            verdict = orjson.loads(record.value or b"{}")
            found[verdict["post_id"]] = verdict["scores"]
            stamps.append(record.timestamp / 1000)
        self._complete(way, found)
        return self._round(stamps, started, memory), found

    async def _until_done(self, watch: Watch, worker: Worker, started: float) -> None:
        while sum((await watch.snapshot()).output_ends.values()) < len(self._posts):
            if worker.ended() is not None or time.time() - started > LIMIT_SECONDS:
                raise RuntimeError(f"{worker.name} did not get through. The end of its log:\n{worker.tail()}")
            await asyncio.sleep(POLL_SECONDS)

    def through_classify(self) -> tuple[Round, dict[str, Scores]]:
        """Run `classify` over the file. Raises RuntimeError where it fails."""
        verdicts = self._folder / "verdicts.jsonl"
        command = [sys.executable, "-m", "worker", "classify", str(self._file), "--output", str(verdicts)]
        started = time.time()
        env = {**os.environ, "MODERATION_BUNDLE": str(self._bundle)}
        subprocess.run([*command, "--no-progress"], cwd=ROOT, env=env, check=True, timeout=LIMIT_SECONDS)
        rows = [orjson.loads(line) for line in verdicts.read_bytes().splitlines()]
        found = {row["post_id"]: row["scores"] for row in rows}
        self._complete(CLASSIFY, found)
        stamps = [datetime.fromisoformat(row["processed_at"]).timestamp() for row in rows]
        return self._round(stamps, started, None), found

    def _complete(self, way: str, found: Mapping[str, Scores]) -> None:
        if missing := {post.id for post in self._posts} - set(found):
            raise RuntimeError(f"{way}: {len(missing)} of {len(self._posts)} posts have no verdict")

    def _round(self, stamps: list[float], started: float, memory: float | None) -> Round:
        first, last = min(stamps), max(stamps)
        return Round(len(self._posts) / max(last - first, 0.001), first - started, memory)


def _peak_memory_mb(pid: int | None) -> float | None:
    status = Path(f"/proc/{pid}/status")
    if pid is None or not status.exists():
        return None
    [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _table(found: Mapping[str, list[Round]]) -> str:
    naive = statistics.median(run.posts_per_second for run in found[NAIVE])
    lines = ["way       posts/s  against naive  first output  peak memory"]
    for way, runs in found.items():
        rate = statistics.median(run.posts_per_second for run in runs)
        first = statistics.median(run.first_output_seconds for run in runs)
        memory = [run.peak_memory_mb for run in runs if run.peak_memory_mb is not None]
        size = f"{max(memory):8.0f} MB" if memory else "          -"
        lines.append(f"{way:9} {rate:7.0f}  {rate / naive:12.1f}x  {first:10.1f} s  {size}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
