"""`quantize_dynamic` behind mosec, a model server that batches requests as they come. Started by `served`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mosec import Server, Worker

from load_tests.peers.loop import BATCH, Scores
from load_tests.peers.usual import Usual

WEIGHTS, BUNDLE = "PEER_WEIGHTS", "PEER_BUNDLE"
WAIT_MS = 10
"""Its default."""


class Scorer(Worker):  # type: ignore[misc]
    """One for each processor, with a session of one thread: more than one session of all threads gives."""

    def __init__(self) -> None:
        super().__init__()
        self._usual = Usual(Path(os.environ[WEIGHTS]), Path(os.environ[BUNDLE]), threads=1)

    def forward(self, data: Sequence[Any]) -> list[Scores]:
        return self._usual([request["text"] for request in data])


if __name__ == "__main__":
    server = Server()
    server.append_worker(Scorer, num=len(os.sched_getaffinity(0)), max_batch_size=BATCH, max_wait_time=WAIT_MS)
    server.run()
