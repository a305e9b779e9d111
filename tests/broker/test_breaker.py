"""The breaker on a real broker: a model out of order pauses intake, and once it is mended nothing was lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.broker.scene import PATIENCE_SECONDS, Scene, made_up_posts, scene
from tests.harness import Kafka
from tests.harness.topics import read_all
from worker import app
from worker.core.types import Scores, Window
from worker.engine import Engine, build_engine
from worker.settings import Settings

pytestmark = pytest.mark.broker

POSTS = 300


class Model:
    """The worker's model, out of order until it is mended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.mended = False
        patch.setattr(app, "build_engine", self._build)

    def _build(self, *args: Any, **options: Any) -> Engine:
        engine = build_engine(*args, **options)

        def score(windows: Sequence[Window]) -> list[Scores]:
            if not self.mended:
                raise RuntimeError("out of order")
            return engine.score(windows)

        return replace(engine, score=score)


def settings(stage: Scene, **changed: object) -> Settings:
    return Settings(
        bootstrap_servers=stage.kafka.bootstrap,
        input_topic=stage.names.input,
        output_topic=stage.names.output,
        dead_letter_topic=stage.names.dead_letter,
        group_id=stage.names.group,
        http_host="127.0.0.1",
        http_port=0,
        max_in_flight_posts=20,
        commit_interval_seconds=0.1,
        session_timeout_seconds=6,
        breaker_minimum_records=20,
        **changed,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def running(chosen: Settings) -> AsyncIterator[app.Worker]:
    """A worker in this process; it must end well."""
    worker = app.Worker(chosen)
    serving = asyncio.ensure_future(worker.serve())
    try:
        yield worker
    finally:
        worker.stop()
        assert await serving == 0


def value(worker: app.Worker, name: str, **labels: str) -> float:
    return worker._metrics.registry.get_sample_value(f"moderation_{name}", labels) or 0.0


async def until(reached: Callable[[], bool], worker: app.Worker) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, generate_latest(worker._metrics.registry).decode()
        await asyncio.sleep(0.02)


async def test_a_model_out_of_order_pauses_intake_and_once_mended_nothing_is_lost(
    kafka: Kafka, topics: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(monkeypatch)
    async with scene(kafka, topics, tmp_path) as stage:
        await stage.produce(made_up_posts(POSTS))
        async with running(settings(stage, breaker_cool_down_seconds=1.0)) as worker:
            await until(lambda: value(worker, "breaker_openings_total", cause="failing") >= 3, worker)
            rejected = value(worker, "dead_letters_total", reason="model_failed")
            assert rejected < POSTS / 2
            assert worker._health.ready().ok
            assert worker._health.live().ok
            model.mended = True
            await stage.until_done()
            assert value(worker, "breaker_state") == 0
            assert value(worker, "rebalances_total") == 1
        letters = await read_all(kafka.bootstrap, stage.names.dead_letter)
        verdicts = await read_all(kafka.bootstrap, stage.names.output)
        report = await stage.judge()
    assert {dict(letter.headers)["reason"] for letter in letters} == {b"model_failed"}
    assert len(verdicts) == POSTS
    assert len(letters) < POSTS / 2 + 20
    assert report.duplicates == 0


async def test_a_worker_stopped_while_its_breaker_is_open_leaves_what_it_did_not_take_to_the_next(
    kafka: Kafka, topics: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(monkeypatch)
    async with scene(kafka, topics, tmp_path) as stage:
        await stage.produce(made_up_posts(POSTS))
        async with running(settings(stage, breaker_cool_down_seconds=3600)) as worker:
            await until(lambda: value(worker, "breaker_state") == 2, worker)
        letters = len(await read_all(kafka.bootstrap, stage.names.dead_letter))
        assert sum((await stage.watch.committed()).values()) == letters < POSTS / 2
        model.mended = True
        async with running(settings(stage)):
            await stage.until_done()
        assert len(await read_all(kafka.bootstrap, stage.names.output)) == POSTS
        assert len(await read_all(kafka.bootstrap, stage.names.dead_letter)) == letters
        report = await stage.judge()
    assert report.duplicates == 0
