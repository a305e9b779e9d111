"""`check` where no broker is needed to find what is wrong; the rest is in tests/broker/test_check.py."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from worker.check import findings
from worker.check.finding import Mark
from worker.settings.fields import BUNDLED_MODEL

NOBODY = "127.0.0.1:1"
"""A port nobody listens on: only root could."""


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with a broker that is down, and nothing else of ours."""
    for name in os.environ:
        if name.startswith("MODERATION_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODERATION_BOOTSTRAP_SERVERS", NOBODY)
    monkeypatch.setenv("MODERATION_HTTP_PORT", "0")
    return monkeypatch


@pytest.fixture
def broken_bundle(tmp_path: Path) -> Path:
    """A copy of the bundled model in which one byte of the graph is another."""
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLED_MODEL, bundle)
    graph = bundle / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    return bundle


def report() -> dict[str, tuple[Mark, str]]:
    return {finding.subject: (finding.mark, finding.text) for finding in findings()}


def marks(found: dict[str, tuple[Mark, str]]) -> dict[str, str]:
    return {subject: mark.value for subject, (mark, _text) in found.items()}


def test_broker_down_is_wrong_and_all_else_is_checked() -> None:
    found = report()

    assert marks(found) == {
        "settings": "✓",
        "model bundle": "✓",
        "policy": "✓",
        "HTTP port": "✓",
        "brokers": "✗",
        "input topic": "-",
        "output topic": "-",
        "dead-letter topic": "-",
        "consumer group": "-",
    }
    assert NOBODY in found["brokers"][1]
    assert "MODERATION_BOOTSTRAP_SERVERS" in found["brokers"][1]


def test_silent_broker_is_wrong_within_bounded_time(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("MODERATION_REQUEST_TIMEOUT_SECONDS", "0.5")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, never answers
        settings.setenv("MODERATION_BOOTSTRAP_SERVERS", f"127.0.0.1:{silent.getsockname()[1]}")
        found = report()

    assert found["brokers"][0] is Mark.WRONG
    assert found["brokers"][1].startswith("no broker answers at ")  # by our time-out of a request, not of the question


def test_wrong_settings_are_named_and_the_rest_says_it_was_skipped(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("MODERATION_BATCH_TOKENS", "many")
    settings.setenv("MODERATION_OUTPUT_TOPICS", "verdicts")

    found = report()

    mark, text = found.pop("settings")
    assert mark is Mark.WRONG
    assert "MODERATION_BATCH_TOKENS=many" in text
    assert "did you mean MODERATION_OUTPUT_TOPIC?" in text
    assert set(marks(found).values()) == {"-"}
    assert len(found) == 8


def test_corrupt_bundle_is_wrong_and_names_file_and_setting(settings: pytest.MonkeyPatch, broken_bundle: Path) -> None:
    settings.setenv("MODERATION_BUNDLE", str(broken_bundle))

    found = report()

    mark, text = found["model bundle"]
    assert mark is Mark.WRONG
    assert "model.onnx is corrupt" in text
    assert "MODERATION_BUNDLE" in text
    assert found["policy"][0] is Mark.SKIPPED
    assert found["HTTP port"][0] is Mark.FINE


def test_bundle_whose_golden_scores_differ_is_wrong(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLED_MODEL, bundle)
    golden = [json.loads(line) for line in (bundle / "golden.jsonl").read_text(encoding="utf-8").splitlines()]
    golden[0]["text"] = "kill all these vermin, and those stupid idiots too"
    assert max(golden[0]["scores"].values()) < 0.1
    content = "".join(json.dumps(post) + "\n" for post in golden).encode()
    (bundle / "golden.jsonl").write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"]["golden.jsonl"] = hashlib.sha256(content).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    settings.setenv("MODERATION_BUNDLE", str(bundle))

    mark, text = report()["model bundle"]

    assert mark is Mark.WRONG
    assert "golden posts" in text
    assert golden[0]["text"] not in text


def test_policy_file_for_other_labels_is_wrong(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"version": "mine", "thresholds": {"spam": {"review": 0.5, "block": null}}}')
    settings.setenv("MODERATION_POLICY_FILE", str(policy))

    mark, text = report()["policy"]

    assert mark is Mark.WRONG
    assert f"MODERATION_POLICY_FILE={policy}" in text


def test_taken_http_port_is_a_warning_that_names_the_setting(settings: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings.setenv("MODERATION_HTTP_PORT", str(port))
        settings.setenv("MODERATION_HTTP_HOST", "127.0.0.1")
        mark, text = report()["HTTP port"]

    assert mark is Mark.WARNING
    assert text.startswith(f"MODERATION_HTTP_PORT={port} at MODERATION_HTTP_HOST=127.0.0.1 is in use: fine where")


def test_http_host_of_another_machine_is_wrong_and_named(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("MODERATION_HTTP_HOST", "192.0.2.1")

    mark, text = report()["HTTP port"]

    assert mark is Mark.WRONG
    assert "MODERATION_HTTP_HOST=192.0.2.1" in text


def test_tracing_is_checked_where_it_is_on(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("MODERATION_TRACING", "otlp")
    assert report()["tracing"][0] is Mark.FINE

    settings.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    mark, text = report()["tracing"]
    assert mark is Mark.WRONG
    assert "OTEL_" in text


def test_command_ends_with_1_and_prints_findings_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker", "check"], capture_output=True, encoding="utf-8", timeout=60, check=False
    )

    assert done.returncode == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line[0] for line in lines] == list("✓✓✓✓✗----")
    assert lines[4].startswith("✗ brokers: no broker answers")
