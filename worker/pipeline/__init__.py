"""The flow: intake, scoring and egress in one task group, bounded between stages. Imports the core alone."""

from worker.pipeline.pipeline import Limits, Pipeline

__all__ = ["Limits", "Pipeline"]
