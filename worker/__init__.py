"""Streaming moderation worker: posts in, verdicts out, nothing lost."""

from importlib.metadata import version

__version__ = version("moderation-worker")
