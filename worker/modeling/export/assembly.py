"""A bundle is put together aside, served from there, and moved to its place when all of it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import tokenizers

from worker.core.errors import Fatal
from worker.model import manifest as parts
from worker.model.bundle import Bundle, file_sha256
from worker.model.classifier import Classifier
from worker.model.cpu import cpu_name, has_vnni, runtime_version
from worker.model.session import Session
from worker.model.tokenizer import load_tokenizer
from worker.modeling.encoders.directories import beside
from worker.modeling.export.arithmetic import Arithmetic
from worker.modeling.export.electra_graph import build_graph
from worker.modeling.export.job import Export
from worker.modeling.training import network

REPORT = "export.json"
"""What was measured on the way; no part of what is served."""
ABOUT = (parts.CARD, parts.REFERENCE, REPORT, "evaluation.json", "evaluation-all.json", "suite.json")
"""What a bundle's directory may hold that is true of that bundle alone."""

FILES = (parts.MODEL, parts.TOKENIZER, parts.GOLDEN, parts.REFERENCE)
"""What a manifest has checksums of."""


@contextmanager
def assembled(out: Path) -> Iterator[Path]:
    """A directory beside `out` to build a bundle in; its files become those of `out` when the block ends.

    Whatever fails before leaves `out` as it was. A bundle that was there is replaced file by file, its manifest after
    the files that it vouches for: whoever is killed in between leaves a directory that its checksums refuse, and that
    the next call replaces. What was said about the old one, its card above all, goes with it. Raises Fatal where `out`
    holds something else, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise Fatal(f"export: --out {out}: is a file: choose another name")
    full = out.is_dir() and any(out.iterdir())
    if full and not (out / parts.MANIFEST).exists():
        raise Fatal(f"export: --out {out}: holds something that is no bundle: choose another directory")
    with beside(out) as aside:
        yield aside
        if not full:
            aside.rename(out.resolve())
            return
        for name in ABOUT:
            (out / name).unlink(missing_ok=True)
        for made in sorted(aside.iterdir(), key=lambda path: (path.name == REPORT, path.name == parts.MANIFEST)):
            made.replace(out / made.name)


def serve(
    job: Export, trained: network.Classifier, arithmetic: Arithmetic, policy: parts.BundlePolicy, work: Path
) -> Classifier:
    """Build the graph into `work` and return the classifier that serves it."""
    onnx.save(build_graph(trained, arithmetic, job.layout), work / parts.MODEL)
    (work / parts.GOLDEN).touch()
    manifest = make_manifest(job, trained, policy, work)
    session = Session(work / parts.MODEL, job.layout, len(trained.config.labels))
    return Classifier(Bundle(work, manifest, manifest.as_policy(), ()), load_tokenizer(work / parts.TOKENIZER), session)


def make_manifest(job: Export, trained: network.Classifier, policy: parts.BundlePolicy, work: Path) -> parts.Manifest:
    """The manifest of the files in `work`. Raises Fatal where they would be no bundle."""
    made_with = parts.MadeWith(
        cpu=cpu_name(), vnni=has_vnni(), onnxruntime=runtime_version(), tokenizers=tokenizers.__version__
    )
    content = {
        "schema": "bundle.v1",
        "name": job.name,
        "version": job.version,
        "language": job.language,
        "labels": trained.config.labels,
        "problem_type": trained.config.problem_type,
        "max_length": trained.config.max_length,
        "overlap": trained.config.max_length // 4 if job.overlap is None else job.overlap,
        "layout": job.layout,
        "normalisation": trained.config.normalisation,
        "quantization": job.quantization,
        "policy": policy,
        "files": {name: file_sha256(work / name) for name in FILES if (work / name).exists()},
        "made_with": made_with,
    }
    try:
        return parts.Manifest.model_validate(content)
    except ValueError as error:
        raise Fatal(f"export: the manifest would be wrong: {error}") from error
