"""`python -m load_tests.peers`: the worker beside other ways to do the same, interleaved in one run."""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from load_tests.bench import cpu
from load_tests.bench.lab import Lab
from load_tests.corpus import posts
from load_tests.drive import RunError, say
from load_tests.peers.compare import Comparison, Plan
from load_tests.peers.table import Found, markdown, summary
from load_tests.peers.weights import prepare
from load_tests.workers import ROOT
from tests.harness import Kafka
from tests.harness.distribution import HarnessError

DESCRIPTION = """\
Ways to do the same work, with the weights of one bundle, one after the other in several rounds on one broker:

  hugging face  aiokafka and a Hugging Face pipeline: float32 torch, batches of 32 in the order of arrival
  usual         aiokafka and onnxruntime with quantize_dynamic, batches of 32 in the order of arrival
  model server  aiokafka in front of mosec, which batches requests as they come, around the same quantized model
  framework     a FastStream batch subscriber around it
  worker        moderation-worker run
  model only    the worker's classifier fed from memory, tokenising included: what the processors can do

posts/s is from draining a topic that was filled before, by the broker's clock, without start-up; a slow way gets fewer
posts, the first of the same. A peak is what a way does while posts pile up before it: the broker's and the generator's work has its
part of the processors then. Latencies are at shares of each way's own peak, open loop, from when a post was due until
the broker had its verdict; a lone post is one of two a second on an idle worker, and lone_post_ratio compares it with
tokenising, scoring and two round trips to the broker. Ratios are medians of rounds, each with its round's peer.
stolen_share is the part of the processors that other guests of the machine had meanwhile.

A table comes first on stdout, then one JSON object on the last line."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.peers", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--drain-seconds", type=float, default=12.0, help="of a drain, about (default %(default)s)")
    parser.add_argument("--level-seconds", type=float, default=20.0, help="at each share (default %(default)s)")
    parser.add_argument("--posts", type=int, default=20_000, help="the most for one drain (default %(default)s)")
    parser.add_argument("--texts", type=Path, help="folder of .txt or .txt.zst, a post a line (default: made up)")
    parser.add_argument(
        "--longest",
        type=int,
        default=300,
        help="characters of a post (default %(default)s: one window of 128 tokens. Peers cut what is longer, "
        "the worker scores all of it, so beyond they do different work)",
    )
    parser.add_argument("--bundle", type=Path, default=ROOT / "worker" / "bundles" / "default", help="model bundle")
    parser.add_argument(
        "--weights", type=Path, default=ROOT / "build" / "peers", help="where the peers' models are kept"
    )
    parser.add_argument("--out", type=Path, help="a file for the JSON object")
    options = parser.parse_args(argv)
    numbers = (options.rounds, options.drain_seconds, options.level_seconds, options.posts, options.longest)
    if min(numbers) <= 0:
        parser.error("all numbers must be more than 0")
    try:
        before = cpu.machine()
        found, level = asyncio.run(_compare(options))
    except (RunError, HarnessError, FileNotFoundError) as error:
        say(str(error))
        return 1
    result = summary(found, level) | {"stolen_share": cpu.stolen_share(before, cpu.machine())}
    print(markdown(found))
    print(json.dumps(result))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


async def _compare(options: argparse.Namespace) -> tuple[Found, float]:
    bundle = options.bundle.resolve()
    say("restoring the weights from the bundle")
    weights = await asyncio.to_thread(prepare, bundle, options.weights.resolve())
    chosen = list(itertools.islice(posts(0, options.texts, options.longest), options.posts))
    plan = Plan(chosen, weights, bundle, options.rounds, options.drain_seconds, options.level_seconds)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, Kafka() as kafka:
        found = await Comparison(Lab(kafka, Path(folder)), plan, Path(folder)).run()
    return found, plan.levels[-1]


if __name__ == "__main__":
    sys.exit(main())
