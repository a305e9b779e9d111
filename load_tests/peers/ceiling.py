"""What the model alone can do: the worker's classifier fed from memory, texts to scores, nothing else.

One thread for each processor, each with posts of its own, sorted by length and cut into batches of the worker's budget:
no Kafka, no JSON, no order to keep. The last line on stdout is one JSON object.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import orjson

from worker.model.classifier import Classifier

SLICE = 128
"""Posts sorted together: more would leave threads without work at the end."""
BATCH_TOKENS = 256
LONE_POSTS = slice(64, 104)
"""The posts that the comparison sends one by one, after 64 that warm up."""


def score(classifier: Classifier, texts: Sequence[str]) -> None:
    """Normalise, tokenise, score; what comes out is thrown away."""
    found = classifier.windows([classifier.normalise(text).text for text in texts])
    waiting = sorted((window for windows in found for window in windows), key=len)
    while waiting:
        batch = [waiting.pop()]
        while waiting and (len(batch) + 1) * len(batch[0]) <= BATCH_TOKENS:
            batch.append(waiting.pop())
        classifier.score(batch)


def measure(classifier: Classifier, texts: Sequence[str], threads: int) -> float:
    """Posts a second."""
    left = iter(texts)
    slices = iter(lambda: list(islice(left, SLICE)), [])
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda own: score(classifier, own), slices))
    return len(texts) / (time.perf_counter() - begun)


def lone_ms(classifier: Classifier, texts: Sequence[str]) -> float:
    """Median milliseconds of a post that is scored alone."""
    took = []
    for text in texts:
        begun = time.perf_counter()
        score(classifier, [text])
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000


def main() -> None:
    classifier = Classifier.load(Path(sys.argv[2]))
    texts = [orjson.loads(line)["text"] for line in Path(sys.argv[1]).read_bytes().splitlines()]
    score(classifier, texts[:SLICE])  # warm
    alone = lone_ms(classifier, texts[LONE_POSTS])
    rate = measure(classifier, texts, len(os.sched_getaffinity(0)))
    print(json.dumps({"posts_per_second": rate, "lone_ms": alone}))


if __name__ == "__main__":
    main()
