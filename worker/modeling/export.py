"""A trained classifier to a bundle: graph, thresholds, golden posts, manifest, and proof that they hold."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import tokenizers

from worker.core.errors import Fatal
from worker.model import manifest as parts
from worker.model.bundle import Bundle, file_sha256
from worker.model.classifier import Classifier
from worker.model.cpu import cpu_name, has_vnni, runtime_version
from worker.model.session import Session
from worker.model.tokenizer import load_tokenizer
from worker.modeling import network
from worker.modeling.arithmetic import Arithmetic, Float32, StaticInt8
from worker.modeling.calibrate import activation_ranges
from worker.modeling.electra_graph import build_graph
from worker.modeling.examples import Example, read_examples, tokenise
from worker.modeling.golden import CANDIDATES, sample, write_golden
from worker.modeling.scoring import score_set
from worker.modeling.thresholds import choose_policy
from worker.modeling.verify import check_agreement, check_invariance
from worker.text.normalise import normalise

CALIBRATION_POSTS = 1200
VERIFIED_POSTS = 200


@dataclass(frozen=True, slots=True)
class Export:
    """What to make of a classifier directory. `calibration` may be empty for fp32, `dev` leaves thresholds at 0.5."""

    classifier: Path
    out: Path
    name: str
    version: str
    calibration: tuple[Path, ...] = ()
    dev: tuple[Path, ...] = ()
    may_block: tuple[str, ...] = ()
    quantization: parts.Quantization = "int8-static-7bit"
    layout: parts.Layout = "packed"
    language: str = "en"
    overlap: int = 32


def export(job: Export) -> dict[str, Any]:
    """Write the bundle to `job.out` and verify it; return a report of what was measured.

    The manifest is written last: a directory without one is no bundle. Raises Fatal where something does not hold.
    """
    trained = network.Classifier.load(job.classifier)
    labels = trained.config.labels
    unknown = sorted(set(job.may_block).difference(labels))
    if unknown:
        raise Fatal(f"export: --block {' '.join(unknown)}: the labels are {', '.join(labels)}")
    job.out.mkdir(parents=True, exist_ok=True)
    (job.out / parts.MANIFEST).unlink(missing_ok=True)
    shutil.copyfile(job.classifier / parts.TOKENIZER, job.out / parts.TOKENIZER)
    posts = sample([e for path in job.calibration for e in read_examples(path, labels)], CALIBRATION_POSTS)
    onnx.save(build_graph(trained, _arithmetic(job, trained, posts), job.layout), job.out / parts.MODEL)

    draft = _classifier(job, trained, choose_policy((), labels, ()))
    scored = [score_set(draft, path.name, read_examples(path, labels)) for path in job.dev]
    policy = choose_policy(scored, labels, job.may_block)
    classifier = _classifier(job, trained, policy)
    warnings = write_golden(classifier, classifier.bundle.policy, job.out / parts.GOLDEN)
    report: dict[str, Any] = {"policy": policy.model_dump(), "warnings": warnings}
    texts = [e.text for e in sample(posts, VERIFIED_POSTS)] + [text for kind in CANDIDATES.values() for text in kind]
    windows = [w for found in classifier.windows([normalise(text).text for text in texts]) for w in found]
    report["torch"] = asdict(check_agreement(classifier, trained, windows))
    report["batch_invariant_comparisons"] = check_invariance(classifier, windows)
    text = _manifest(job, trained, policy).model_dump_json(indent=2, by_alias=True)
    (job.out / parts.MANIFEST).write_text(text + "\n", encoding="utf-8")
    Classifier.load(job.out)
    report["bytes"] = {name: (job.out / name).stat().st_size for name in (parts.MODEL, parts.TOKENIZER)}
    return report


def _arithmetic(job: Export, trained: network.Classifier, posts: Sequence[Example]) -> Arithmetic:
    if job.quantization == "fp32":
        return Float32()
    if not posts:
        raise Fatal("export: int8 needs posts to calibrate on: give --calibration labelled files of typical posts")
    rows = tokenise(load_tokenizer(job.out / parts.TOKENIZER), posts, trained.config.max_length)
    ranges = activation_ranges(trained, rows)
    return StaticInt8(ranges, bits=7 if job.quantization == "int8-static-7bit" else 8)


def _classifier(job: Export, trained: network.Classifier, policy: parts.BundlePolicy) -> Classifier:
    """The serving classifier on the files of an unfinished bundle."""
    (job.out / parts.GOLDEN).touch()
    manifest = _manifest(job, trained, policy)
    bundle = Bundle(job.out, manifest, manifest.as_policy(), ())
    session = Session(job.out / parts.MODEL, job.layout, len(trained.config.labels))
    return Classifier(bundle, load_tokenizer(job.out / parts.TOKENIZER), session)


def _manifest(job: Export, trained: network.Classifier, policy: parts.BundlePolicy) -> parts.Manifest:
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
        "overlap": job.overlap,
        "layout": job.layout,
        "quantization": job.quantization,
        "policy": policy,
        "files": {name: file_sha256(job.out / name) for name in (parts.MODEL, parts.TOKENIZER, parts.GOLDEN)},
        "made_with": made_with,
    }
    try:
        return parts.Manifest.model_validate(content)
    except ValueError as error:
        raise Fatal(f"export: the manifest would be wrong: {error}") from error
