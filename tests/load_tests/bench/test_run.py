"""A tiny run from end to end: real broker, real worker, and a page of what was seen."""

import json
from pathlib import Path

import pytest

from load_tests.bench import __main__ as command

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


def test_a_tiny_run_matches_every_post(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "--profile hostile --rate 20 --seconds 6 --longest 60 --delivery exactly_once --p99-ms 60000 --out"
    assert command.main([*line.split(), str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failures"] == []
    assert found["produced"] == found["matched"] > 100
    assert 60 < found["latency_ms"]["count"] < found["produced"]  # without those that warmed up
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert found["cores"]["worker"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.json", "hostile.md", "hostile.png"}
    series = json.loads((tmp_path / "hostile.json").read_text(encoding="utf-8"))["series"]
    assert sum(second["due"] for second in series) == found["latency_ms"]["count"]


def test_a_bound_that_cannot_be_kept_fails_a_drain(capsys: pytest.CaptureFixture[str]) -> None:
    line = "--profile backlog --rate 60 --seconds 5 --longest 60 --p50-ms 1"
    assert command.main(line.split()) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["drained_per_second"] > 0
    assert found["most_waiting"] == found["produced"]  # all were there before the worker
    assert found["behind_seconds"] > 0
    [failure] = found["failures"]
    assert "p50 latency" in failure
