"""Which made-up posts the demo shows: those in the language of its bundle."""

from pathlib import Path

from worker.core.errors import Fatal
from worker.demo import samples, samples_korean
from worker.model.manifest import MANIFEST, parse_manifest


def samples_for(bundle: Path) -> tuple[samples.Sample, ...]:
    """Korean posts for a Korean bundle, English ones for any other, and for one that the worker will refuse."""
    try:
        language = parse_manifest((bundle / MANIFEST).read_bytes()).language
    except (OSError, Fatal):
        return samples.SAMPLES  # the worker says what is wrong when it loads the bundle
    return samples_korean.SAMPLES if language.split("-")[0] == "ko" else samples.SAMPLES
