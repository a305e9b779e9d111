"""aiokafka in front of a model server with dynamic batching, one HTTP request for each post."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import aiohttp

from load_tests.peers.loop import BATCH, Scores, run
from load_tests.peers.model_server import BUNDLE, WEIGHTS
from tests.harness.kafka import free_ports
from tests.harness.processes import Guarded

START_SECONDS = 120.0
TIMEOUT_MS = 60_000
"""A queue is no failure here."""


async def main(weights: Path, bundle: Path) -> None:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    env = {**os.environ, WEIGHTS: str(weights), BUNDLE: str(bundle)}
    command = [sys.executable, "-m", "load_tests.peers.model_server", "--address", "127.0.0.1", "--port", str(port)]
    command += ["--timeout", str(TIMEOUT_MS)]
    with tempfile.TemporaryDirectory() as folder, Guarded(command, Path(folder) / "log", env=env) as server:
        # Enough requests on their way that every process of the server finds a whole batch.
        most = BATCH * len(os.sched_getaffinity(0))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=most)) as session:

            async def one(text: str) -> Scores:
                async with session.post(url + "inference", json={"text": text}) as answer:
                    answer.raise_for_status()
                    scores: Scores = await answer.json()
                    return scores

            async def score(texts: list[str]) -> list[Scores]:
                return await asyncio.gather(*map(one, texts))

            await _until_up(session, url, server)
            await run(score, most)


async def _until_up(session: aiohttp.ClientSession, url: str, server: Guarded) -> None:
    async with asyncio.timeout(START_SECONDS):
        while server.poll() is None:
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise RuntimeError(f"the model server ended with status {server.poll()}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
