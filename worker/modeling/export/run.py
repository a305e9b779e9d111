"""A trained classifier to a bundle: graph, calibrated scores, thresholds, golden posts, and proof that they hold."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from worker.core.policy import Threshold
from worker.core.types import Window
from worker.model import manifest as parts
from worker.model.classifier import Classifier
from worker.model.tokenizer import load_tokenizer
from worker.modeling.evaluation.metrics import pooled_error
from worker.modeling.evaluation.scoring import ScoredSet, of_half, score_set
from worker.modeling.evaluation.thresholds import BLOCK_POSTS, BLOCK_PRECISION, choose_policy
from worker.modeling.export import parity, sensitivity
from worker.modeling.export.arithmetic import Float32
from worker.modeling.export.assembly import REPORT, assembled, make_manifest, serve
from worker.modeling.export.calibrate import even_sample
from worker.modeling.export.golden import candidates_in, write_golden
from worker.modeling.export.job import Export
from worker.modeling.export.quantized import VERIFIED_POSTS, quantized
from worker.modeling.export.reference import write_reference
from worker.modeling.export.score_calibration import Platt, calibrated, fit_platt, fold
from worker.modeling.export.verify import check_agreement, check_invariance
from worker.modeling.posts.examples import Example, read_unlabelled, sample
from worker.modeling.posts.halves import HALVES
from worker.modeling.posts.labelled import check_names, read_labelled
from worker.modeling.posts.texts import read_texts
from worker.modeling.training import network

__all__ = ["Export", "export"]

TYPICAL_POSTS = 5000
"""Read from the top of each file of them."""


def export(job: Export) -> dict[str, Any]:
    """Write the bundle to `job.out` and verify it; return a report of what was measured, also written beside it.

    Raises Fatal where something does not hold; then `job.out` is as it was.
    """
    trained = network.Classifier.load(job.classifier)
    job.check(trained)
    with assembled(job.out) as work:
        shutil.copyfile(job.classifier / parts.TOKENIZER, work / parts.TOKENIZER)
        for name in (parts.MODEL, parts.GOLDEN):
            (work / name).touch()
        make_manifest(job, trained, choose_policy((), trained.config.labels, ()), work)  # refused before the long work
        report = _make(job, trained, work)
        (work / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        Classifier.load(work)
    return report


def _make(job: Export, trained: network.Classifier, work: Path) -> dict[str, Any]:
    labels = trained.config.labels
    check_names(job.dev, "--dev")  # all read before the long work
    dev = {path.name: read_labelled(path, labels, "--dev") for path in job.dev}
    typical = {path.name: _typical(path) for path in job.typical}
    sources = [read_unlabelled(path, len(labels)) for path in job.calibration]
    posts = even_sample(sources, job.calibration_posts)
    served = quantized(job, trained, load_tokenizer(work / parts.TOKENIZER), posts, sources)
    report: dict[str, Any] = {"calibration_posts": len(posts), "calibration_methods": served.methods}
    draft = serve(job, served.model, served.arithmetic(), choose_policy((), labels, ()), work)
    windows = _windows(draft, [e.text for e in sample(posts, VERIFIED_POSTS)])
    if job.sensitivity and served.sites:
        effects = sensitivity.scan(trained, served.model, served.arithmetic, served.sites, windows, job.layout)
        print(sensitivity.markdown(effects), flush=True)
        report["sensitivity"] = [asdict(effect) for effect in effects]

    found = _score(draft, dev)
    lines, warnings = _lines(job, trained, found)
    after = [calibrated(each, lines) for each in found] if job.calibrate else found
    policy = choose_policy([of_half(each, "selection") for each in after], labels, job.may_block)
    warnings += [
        f"{label}: blocks nothing: no threshold from that of review on flags {BLOCK_POSTS} development posts or more, "
        f"{BLOCK_PRECISION:.0%} of them rightly"
        for label in dict.fromkeys(job.may_block)
        if policy.thresholds[label].block is None
    ]
    report |= {"policy": policy.model_dump(), "calibration": _calibration_report(labels, lines, found, after)}
    if served.sites and job.dev:
        expected = _score(serve(job, trained, Float32(), policy, work), dev)
        report["parity"] = _check_parity(job, lines, expected, after, policy)

    final, expected_of = fold(served.model, lines), fold(trained, lines)
    classifier = serve(job, final, served.arithmetic(), policy, work)
    golden = candidates_in(job.language)
    warnings += write_golden(classifier, classifier.bundle.policy, work / parts.GOLDEN, golden)
    windows += _windows(classifier, [text for kind in golden.values() for text in kind])
    report["warnings"] = warnings
    report["torch"] = asdict(check_agreement(classifier, expected_of, windows))
    report["batch_invariant_comparisons"] = check_invariance(classifier, windows)
    counted = [of_half(each, "report") for each in after] + _score(classifier, typical)
    if counted:
        write_reference(work / parts.REFERENCE, counted, labels)
    text = make_manifest(job, final, policy, work).model_dump_json(indent=2, by_alias=True)
    (work / parts.MANIFEST).write_text(text + "\n", encoding="utf-8")
    report["bytes"] = {name: (work / name).stat().st_size for name in (parts.MODEL, parts.TOKENIZER)}
    return report


def _score(classifier: Classifier, files: Mapping[str, Sequence[Example]]) -> list[ScoredSet]:
    return [score_set(classifier, name, posts) for name, posts in files.items()]


def _typical(path: Path) -> list[Example]:
    return [Example(str(i), text, (), path.name) for i, text in enumerate(islice(read_texts([path]), TYPICAL_POSTS))]


def _lines(job: Export, trained: network.Classifier, found: Sequence[ScoredSet]) -> tuple[tuple[Platt, ...], list[str]]:
    labels = trained.config.labels
    unchanged = tuple(Platt() for _ in labels)
    if not job.calibrate or not job.dev:
        return unchanged, []
    if trained.config.problem_type == "single_label_classification":
        return unchanged, ["scores are not calibrated: labels that exclude each other share one softmax"]
    return fit_platt([of_half(each, "selection") for each in found], labels)


def _calibration_report(
    labels: Sequence[str], lines: Sequence[Platt], before: Sequence[ScoredSet], after: Sequence[ScoredSet]
) -> dict[str, Any]:
    """Lines and pooled calibration errors of either half, before and after, for each label."""
    found: dict[str, Any] = {}
    for position, (label, line) in enumerate(zip(labels, lines, strict=True)):
        found[label] = asdict(line)
        for half in HALVES:
            errors = (pooled_error([of_half(each, half) for each in sets], position) for sets in (before, after))
            found[label][f"ece_{half}"] = [None if e is None else round(e, 4) for e in errors]
    return found


def _check_parity(
    job: Export,
    lines: Sequence[Platt],
    expected: Sequence[ScoredSet],
    found: Sequence[ScoredSet],
    policy: parts.BundlePolicy,
) -> list[dict[str, Any]]:
    """Print and return the table. The float32 scores lie on the same lines as those served."""
    thresholds = [Threshold(t.review, t.block) for t in policy.thresholds.values()]
    pairs = zip(expected, found, strict=True)
    rows = [
        row
        for old, new in pairs
        for row in parity.compare(calibrated(old, lines), new, tuple(policy.thresholds), thresholds)
    ]
    print(parity.markdown(rows), flush=True)
    parity.check(rows, job.bounds)
    return parity.as_json(rows)


def _windows(classifier: Classifier, texts: Sequence[str]) -> list[Window]:
    return [
        window for found in classifier.windows([classifier.normalise(text).text for text in texts]) for window in found
    ]
