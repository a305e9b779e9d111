"""A trained classifier to a bundle: graph, calibrated scores, thresholds, golden posts, and proof that they hold."""

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.core.policy import Threshold
from worker.core.types import Window
from worker.model import manifest as parts
from worker.model.classifier import Classifier
from worker.model.tokenizer import load_tokenizer
from worker.modeling.evaluation.scoring import ScoredSet, of_half, score_set
from worker.modeling.evaluation.thresholds import choose_policy
from worker.modeling.export import parity, sensitivity
from worker.modeling.export.arithmetic import Arithmetic, Float32, Range, StaticInt8
from worker.modeling.export.assembly import REPORT, assembled, make_manifest, serve
from worker.modeling.export.calibrate import activation_ranges, even_sample
from worker.modeling.export.golden import candidates_in, write_golden
from worker.modeling.export.job import Export
from worker.modeling.export.quantize_aware import distil_to_int8
from worker.modeling.export.score_calibration import Line, calibrated, fit_lines, fold, pooled_error
from worker.modeling.export.verify import check_agreement, check_invariance
from worker.modeling.posts.examples import Example, read_examples, sample, tokenise
from worker.modeling.posts.halves import HALVES
from worker.modeling.training import network

__all__ = ["Export", "export"]

VERIFIED_POSTS = 200


def export(job: Export) -> dict[str, Any]:
    """Write the bundle to `job.out` and verify it; return a report of what was measured, also written beside it.

    Raises Fatal where something does not hold; then `job.out` is as it was.
    """
    trained = network.Classifier.load(job.classifier)
    job.check(trained)
    with assembled(job.out) as work:
        shutil.copyfile(job.classifier / parts.TOKENIZER, work / parts.TOKENIZER)
        report = _make(job, trained, work)
        (work / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        Classifier.load(work)
    return report


def _make(job: Export, trained: network.Classifier, work: Path) -> dict[str, Any]:
    labels = trained.config.labels
    posts = even_sample([read_examples(path, labels) for path in job.calibration], job.calibration_posts)
    served = _quantize(job, trained, posts, work)
    report: dict[str, Any] = {"calibration_posts": len(posts), "calibration_methods": served.methods}
    draft = serve(job, served.model, served.arithmetic(), choose_policy((), labels, ()), work)
    windows = _windows(draft, [e.text for e in sample(posts, VERIFIED_POSTS)])
    if job.sensitivity and served.sites:
        effects = sensitivity.scan(served.model, served.arithmetic, served.sites, windows, job.layout)
        print(sensitivity.markdown(effects), flush=True)
        report["sensitivity"] = [asdict(effect) for effect in effects]

    found = _score(draft, job.dev)
    lines, warnings = _lines(job, trained, found)
    after = [calibrated(each, lines) for each in found] if job.calibrate else found
    policy = choose_policy([of_half(each, "selection") for each in after], labels, job.may_block)
    report |= {"policy": policy.model_dump(), "calibration": _calibration_report(labels, lines, found, after)}
    if served.sites and job.dev:
        expected = _score(serve(job, trained, Float32(), policy, work), job.dev)
        report["parity"] = _check_parity(job, lines, expected, after, policy)

    final, reference = fold(served.model, lines), fold(trained, lines)
    classifier = serve(job, final, served.arithmetic(), policy, work)
    golden = candidates_in(job.language)
    warnings += write_golden(classifier, classifier.bundle.policy, work / parts.GOLDEN, golden)
    windows += _windows(classifier, [text for kind in golden.values() for text in kind])
    report["warnings"] = warnings
    report["torch"] = asdict(check_agreement(classifier, reference, windows))
    report["batch_invariant_comparisons"] = check_invariance(classifier, windows)
    text = make_manifest(job, final, policy, work).model_dump_json(indent=2, by_alias=True)
    (work / parts.MANIFEST).write_text(text + "\n", encoding="utf-8")
    report["bytes"] = {name: (work / name).stat().st_size for name in (parts.MODEL, parts.TOKENIZER)}
    return report


@dataclass(frozen=True, slots=True)
class _Served:
    """The weights to serve and how their graph computes. `ranges` of the layers that could be quantized."""

    model: network.Classifier
    bits: int
    ranges: dict[str, Range]
    kept: frozenset[str]
    methods: dict[str, float]
    """Where several ways to choose ranges were tried: their mean differences from float32, that of the one used first."""

    @property
    def sites(self) -> Collection[str]:
        return self.ranges.keys()

    def arithmetic(self, also: Collection[str] = ()) -> Arithmetic:
        """Quantized, but for the layers that stay in float32 and those in `also`."""
        return StaticInt8(self.ranges, self.bits, self.kept.union(also)) if self.ranges else Float32()


def _quantize(job: Export, trained: network.Classifier, posts: Sequence[Example], work: Path) -> _Served:
    if job.quantization == "fp32":
        return _Served(trained, job.bits, {}, frozenset(), {})
    if not posts:
        raise Fatal("export: the files given to --calibration hold no posts")
    rows = tokenise(
        load_tokenizer(work / parts.TOKENIZER), posts, trained.config.max_length, trained.config.normalisation
    )
    served = _ranged(job, trained, rows)
    if not job.quantize_aware:
        return served
    tuned = distil_to_int8(trained, rows, served.ranges, bits=job.bits, keep=served.kept, steps=job.quantize_aware)
    return _ranged(job, tuned, rows)


def _ranged(job: Export, model: network.Classifier, rows: Sequence[Sequence[int]]) -> _Served:
    """With the ranges of the method whose graph agrees best with float32."""
    by_method = activation_ranges(model, rows, job.methods, job.percentile)
    kept = sensitivity.sites_to_keep(job.keep_fp32, by_method[job.methods[0]])
    if len(by_method) == 1:
        return _Served(model, job.bits, by_method[job.methods[0]], kept, {})
    candidates: dict[str, Arithmetic] = {
        method: StaticInt8(ranges, job.bits, kept) for method, ranges in by_method.items()
    }
    windows = [tuple(row) for row in rows[:: max(1, len(rows) // VERIFIED_POSTS)]]
    tried = {each.layer: each.mean for each in sensitivity.measure(model, candidates, windows, job.layout)}
    best = min(job.methods, key=lambda method: tried[method])
    return _Served(model, job.bits, by_method[best], kept, {best: tried[best]} | tried)


def _score(classifier: Classifier, files: Sequence[Path]) -> list[ScoredSet]:
    return [score_set(classifier, path.name, read_examples(path, classifier.labels)) for path in files]


def _lines(job: Export, trained: network.Classifier, found: Sequence[ScoredSet]) -> tuple[tuple[Line, ...], list[str]]:
    labels = trained.config.labels
    unchanged = tuple(Line() for _ in labels)
    if not job.calibrate or not job.dev:
        return unchanged, []
    if trained.config.problem_type == "single_label_classification":
        return unchanged, ["scores are not calibrated: labels that exclude each other share one softmax"]
    return fit_lines([of_half(each, "selection") for each in found], labels)


def _calibration_report(
    labels: Sequence[str], lines: Sequence[Line], before: Sequence[ScoredSet], after: Sequence[ScoredSet]
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
    lines: Sequence[Line],
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
