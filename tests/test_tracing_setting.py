"""MODERATION_TRACING: off costs nothing, and what is missing or wrong is named."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.architecture.test_imports import ROOT, serving_modules
from worker.core.errors import Fatal
from worker.kafka.cluster import TopicFacts
from worker.settings import Settings
from worker.wiring import assemble, open_tracing, topic_names


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_off_is_the_default_and_loads_nothing_of_it() -> None:
    modules = [name for name in serving_modules() if not name.startswith("worker.tracing")]
    assert "worker.app" in modules
    loaded = python(
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "from worker.settings import Settings\nfrom worker.wiring import open_tracing\n"
        "assert open_tracing(Settings()) is None\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'worker.tracing'))])"
    )
    assert loaded == "[]"


async def test_off_the_pipeline_is_made_of_the_parts_themselves() -> None:
    settings = Settings(bootstrap_servers="localhost:1")
    engine: Any = SimpleNamespace(prepare=object(), score=object(), encode=object(), scoring_threads=1)
    observer: Any = object()
    facts = dict.fromkeys(topic_names(settings), TopicFacts(1, None))
    membership: Any = None
    parts = assemble(settings, facts, engine, observer, membership)
    made_of = (parts.pipeline._source, parts.pipeline._prepare, parts.pipeline._encode, parts.pipeline._observer)
    assert made_of == (parts.source, engine.prepare, engine.encode, observer)


def test_extra_that_is_not_installed_is_named() -> None:
    said = python(
        "import sys\nsys.modules['opentelemetry'] = None\n"
        "from worker.settings import Settings\nfrom worker.wiring import open_tracing\n"
        "try: open_tracing(Settings(tracing='otlp'))\nexcept Exception as error: print(type(error).__name__, error)"
    )
    assert said.startswith("Fatal MODERATION_TRACING=otlp: ")
    assert said.endswith("in a clone pip install '.[tracing]', or take an image made with EXTRA=tracing")


def test_variable_that_opentelemetry_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(Fatal, match="an OTEL_ variable is wrong: max_queue_size must be"):
        open_tracing(Settings(tracing="otlp"))
