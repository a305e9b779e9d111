"""`python -m load_tests.bench.profile`: where a worker's processor time goes while it drains a backlog, by py-spy."""

import argparse
import asyncio
import itertools
import json
import re
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from load_tests.bench.lab import Lab, Way, say_progress
from load_tests.bench.profiles import PROFILES, records
from load_tests.drive import RunError, say
from load_tests.waiting import until_done
from load_tests.watch import Names
from tests.harness import Kafka
from tests.harness.distribution import HarnessError
from tests.harness.processes import Guarded

PER_SECOND = 100
WRITE_SECONDS = 60.0
BEGIN, END = 0.1, 0.8
"""Shares of the backlog between which it looks: by the first all threads work, after the last nothing is prepared any more."""
FEWEST_POSTS = 10_000
"""Of fewer, the worker would hold too many at once (2,000) to show all of its work between these."""

PARTS: Sequence[tuple[str, str]] = (
    ("onnxruntime", r"worker/model/session\.py"),
    ("arrays for the model", r"worker/model/feed\.py"),
    ("tokenising", r"worker/model/tokenizer\.py|worker/text/windows\.py"),
    ("normalising", r"worker/text/"),
    ("decoding and validating", r"worker/wire/(decode|untrusted_json|schemas|fields)\.py"),
    ("encoding", r"worker/wire/"),
    ("probabilities", r"worker/model/"),
    ("preparing, the rest", r"worker/prepare\.py"),
    ("metrics and logs", r"worker/ops/|prometheus_client/|structlog/"),
    ("aiokafka", r"aiokafka/"),
    ("Kafka adapters", r"worker/kafka/"),
    ("pipeline", r"worker/pipeline/|worker/core/"),
    ("event loop and threads", r"asyncio/|concurrent/futures/|selectors\.py|threading\.py"),
)
"""Of a stack the innermost frame that belongs to one of these says what the time was spent on."""


IDLE = re.compile(r"\b(_worker \S*concurrent/futures/thread|select \S*selectors)\.py")
"""Innermost frames that wait for work; on a busy machine py-spy takes some of them for running."""


def split(stacks: Iterable[str]) -> Counter[str]:
    """Samples of each part, from py-spy's collapsed stacks: `outermost;...;innermost count`."""
    found: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not IDLE.search(frames[-1]):
            found[_part(frames)] += int(count)
    return found


def _part(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        for part, pattern in PARTS:
            if re.search(pattern, frame):
                return part
    return "other"


def table(found: Counter[str]) -> str:
    """Shares of all samples, the largest first."""
    whole = max(1, found.total())
    return "\n".join(f"{part:26} {count / whole:6.1%}" for part, count in found.most_common())


async def profile(count: int, name: str, texts: Path | None, longest: int | None, stacks: Path) -> None:
    """Write the stacks of a drain between BEGIN and END. Raises RunError, HarnessError."""
    spy = shutil.which("py-spy", path=sysconfig.get_path("scripts"))
    if spy is None:
        raise RunError("py-spy is not installed in this environment")
    names = Names()
    load = records(PROFILES[name].posts, 0, texts, longest)
    with tempfile.TemporaryDirectory(prefix="profile-") as folder, Kafka() as kafka:
        lab = Lab(kafka, Path(folder))
        await lab.preload(names, itertools.islice(load, count))
        async with lab.working(names, Way()) as (worker, watch):
            await until_done(worker, watch, say_progress(), share=BEGIN)
            arguments = ["--pid", str(worker.pid), "--rate", str(PER_SECOND), "--format", "raw", "--full-filenames"]
            log = Path(folder) / "py-spy.log"
            with Guarded([spy, "record", *arguments, "--output", str(stacks)], log) as spying:
                await until_done(worker, watch, say_progress(), share=END)
                spying.signal(signal.SIGINT)  # it writes what it has
                status = await asyncio.to_thread(spying.wait, WRITE_SECONDS)
            if status:
                raise RunError(f"py-spy ended with status {status}:\n{await asyncio.to_thread(log.read_text, 'utf-8')}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench.profile", description=__doc__)
    parser.add_argument("--posts", type=int, default=FEWEST_POSTS, help="of the backlog (default %(default)s)")
    parser.add_argument("--profile", choices=PROFILES, default="backlog", help="which posts (default %(default)s)")
    parser.add_argument("--texts", type=Path, help="folder of .txt or .txt.zst, a post a line (default: made up)")
    parser.add_argument("--longest", type=int, default=300, help="characters of a post (default %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("build/profile.stacks"), help="collapsed stacks, for flame graphs"
    )
    options = parser.parse_args(argv)
    if options.posts < FEWEST_POSTS:
        parser.error(f"--posts must be at least {FEWEST_POSTS}: of fewer, the worker holds too many at once")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(profile(options.posts, options.profile, options.texts, options.longest, options.out.resolve()))
    except (RunError, HarnessError, FileNotFoundError) as error:
        say(str(error))
        return 1
    found = split(options.out.read_text(encoding="utf-8").splitlines())
    print(table(found))
    print(json.dumps({"samples": found.total(), "parts": dict(found.most_common())}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
