"""onnxruntime's own telemetry stays off: the worker talks to brokers alone."""

import os
import subprocess
import sys

import pytest

# Says what onnxruntime finds in its environment when it is imported, which is when its telemetry begins.
SPY = """
import importlib, os, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Spy())
importlib.import_module(sys.argv[1])
import onnxruntime
"""


def found(module: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    run = subprocess.run(
        [sys.executable, "-c", SPY, module], env=clean | env, capture_output=True, check=True, text=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize("module", ["worker.model.session", "worker.model.cpu", "worker.modeling.encoders.bert_export"])
def test_telemetry_is_off_before_onnxruntime_begins(module: str) -> None:
    assert found(module) == "1"


def test_who_wants_telemetry_sets_it() -> None:
    assert found("worker.model.session", ORT_DISABLE_TELEMETRY="0") == "0"
