"""The flow: intake, scoring and egress in one task group, bounded between stages. Imports the core alone."""

from worker.pipeline.limits import Limits
from worker.pipeline.pipeline import Pipeline

__all__ = ["Limits", "Pipeline"]
