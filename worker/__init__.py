"""Streaming moderation worker: posts in, verdicts out, nothing lost."""

import os
from importlib.metadata import version

__version__ = version("moderation-worker")

# onnxruntime's wheels send usage events to their maker, and begin when they are imported: so before that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
