"""Liveness goes by progress: a worker without work is alive, one that is stuck with work is not."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.broker.scene import made_up_posts, scene
from tests.broker.test_breaker import running, settings, until
from tests.harness import Kafka
from worker import app
from worker.core.types import Scores, Window
from worker.engine import Engine, build_engine

pytestmark = pytest.mark.broker


async def test_a_stuck_partition_is_not_alive_until_it_goes_on_and_an_idle_worker_always_is(
    kafka: Kafka, topics: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def build(*args: Any, **options: Any) -> Engine:
        engine = build_engine(*args, **options)

        def score(windows: Sequence[Window]) -> list[Scores]:
            let_go.wait()
            return engine.score(windows)

        return replace(engine, score=score)

    monkeypatch.setattr(app, "build_engine", build)
    async with scene(kafka, topics, tmp_path, partitions=2) as stage:
        short = {"request_timeout_seconds": 1, "ack_deadline_seconds": 2, "retry_deadline_seconds": 2}
        async with running(settings(stage, stall_timeout_seconds=3, **short)) as worker:
            await until(lambda: worker._health.ready().ok, worker)
            assert worker._health.live().ok
            try:
                await stage.produce(made_up_posts(5), 0)
                await until(lambda: not worker._health.live().ok, worker)
                (reason,) = worker._health.live().reasons
                assert reason.startswith(f"{stage.names.input}[0] has work but made no progress")
                assert worker._health.ready().ok
            finally:
                let_go.set()
            await stage.until_done()
            await until(lambda: worker._health.live().ok, worker)
