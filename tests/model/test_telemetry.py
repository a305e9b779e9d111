"""onnxruntime's own telemetry stays off: the worker talks to brokers alone."""

import os
import subprocess
import sys

import pytest

# Where telemetry is on, it complains of a home in which it cannot keep its device's id.
NOWHERE = {"HOME": "/proc", "XDG_CACHE_HOME": "/proc", "XDG_DATA_HOME": "/proc", "XDG_STATE_HOME": "/proc"}


def complaints(code: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=clean | NOWHERE | env, capture_output=True, check=True, text=True
    )
    return run.stderr


@pytest.mark.parametrize("module", ["worker.model.session", "worker.model.cpu", "worker.modeling.encoders.bert_export"])
def test_telemetry_is_off_before_onnxruntime_begins(module: str) -> None:
    assert "telemetry" in complaints("import onnxruntime").lower()  # or this test shows nothing
    assert complaints(f"import {module}; import onnxruntime") == ""
