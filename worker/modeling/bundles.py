"""Bundles that an option of a command names."""

from pathlib import Path

from worker.model.classifier import Classifier


def load_named(path: Path, option: str = "--bundle") -> Classifier:
    """`Classifier.load`, whose message says to change the option, not the worker's setting. Raises Fatal."""
    return Classifier.load(path, remedy=f"give {option} a directory made by `moderation-model export`")
