"""Encoders side by side: size, speed in the serving path, what int8 costs them, and quality where they are trained."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from worker.core.errors import Fatal
from worker.model.classifier import Classifier
from worker.model.manifest import MODEL, TOKENIZER
from worker.model.tokenizer import load_tokenizer
from worker.modeling.comparison.shapes import REFERENCE, Encoder, own_classifier, parameters, shape_of
from worker.modeling.evaluation.known import known_sets
from worker.modeling.evaluation.scoring import ScoredSet, score_set
from worker.modeling.evaluation.thresholds import choose_policy
from worker.modeling.export.arithmetic import Float32, StaticInt8
from worker.modeling.export.assembly import serve
from worker.modeling.export.calibrate import extremes
from worker.modeling.export.job import Export
from worker.modeling.export.parity import compare
from worker.modeling.export.score_calibration import Platt, fold
from worker.modeling.export.smoothing import smoothing_factors
from worker.modeling.posts.examples import Example, tokenise
from worker.modeling.posts.halves import only
from worker.modeling.posts.labelled import read_labelled
from worker.modeling.training import network

COMPARED = 4
"""One post in so many is for comparing int8 with float32, the others are for calibrating."""


@dataclass(frozen=True, slots=True)
class Row:
    """One encoder. Sizes are of the graph's file, in bytes.

    `posts_per_second`: through normaliser, tokenizer and int8 graph, by seconds of CPU, which other work on the
    machine disturbs less than the clock's (median of rounds in which the encoders take turns); `ratio` to REFERENCE's, else the
    first's. `mean` and `largest` difference of a probability between float32 and int8 on `compared` posts, after
    calibration on `calibrated` others. `auroc`: mean over the report halves of the files and the labels measured, None
    where the weights are not trained.
    """

    encoder: Encoder
    parameters: int
    fp32_bytes: int
    int8_bytes: int
    mean: float
    largest: float
    compared: int
    calibrated: int
    trained: bool = False
    posts_per_second: float = 0.0
    ratio: float = 0.0
    auroc: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare: shapes with weights of our own, and trained classifiers by name; on which posts."""

    encoders: tuple[Encoder, ...]
    classifiers: tuple[tuple[str, Path], ...]
    tokenizer: Path
    texts: tuple[str, ...]
    data: tuple[Path, ...] = ()
    rounds: int = 5


def measure(job: Comparison) -> list[Row]:
    """Rows in the order given, trained classifiers last. Prints its progress."""
    names = [encoder.name for encoder in job.encoders] + [name for name, _ in job.classifiers]
    if not names:
        raise Fatal("encoders: nothing to compare: name an encoder with --only or a classifier with --classifier")
    _parts(job.texts, 0)
    for _, directory in job.classifiers:  # all read before the long work
        labels = network.Classifier.load(directory).config.labels
        for path in job.data:
            read_labelled(path, labels)
    rows, served = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            print(f"{number + 1}/{len(names)} {name}", flush=True)
            work = Path(folder) / str(number)
            work.mkdir()
            if number < len(job.encoders):
                row, classifier = _own(job, job.encoders[number], work)
            else:
                row, classifier = _trained(job, *job.classifiers[number - len(job.encoders)], work)
            rows.append(row)
            served.append(classifier)
        seconds = _interleaved(served, job.texts, job.rounds)
    rates = [len(job.texts) / statistics.median(each) for each in seconds]
    base = rates[names.index(REFERENCE)] if REFERENCE in names else rates[0]
    return [replace(row, posts_per_second=rate, ratio=rate / base) for row, rate in zip(rows, rates, strict=True)]


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for a JSON file."""
    return [{k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows]


def _own(job: Comparison, encoder: Encoder, work: Path) -> tuple[Row, Classifier]:
    """Random weights; the logits are moved to lie around 0, where a probability shows differences best."""
    shutil.copyfile(job.tokenizer, work / TOKENIZER)
    model = own_classifier(encoder, load_tokenizer(job.tokenizer).get_vocab_size())
    logits = logit(np.array(_float32(job, model, work).scores, np.float64))
    return _row(job, encoder, fold(model, [Platt(1.0, -mean) for mean in logits.mean(axis=0).tolist()]), work)


def _trained(job: Comparison, name: str, directory: Path, work: Path) -> tuple[Row, Classifier]:
    model = network.Classifier.load(directory)
    _job(work).check(model)
    shutil.copyfile(directory / TOKENIZER, work / TOKENIZER)
    row, classifier = _row(job, shape_of(name, model), model, work)
    return replace(row, trained=True, auroc=_quality(classifier, job.data)), classifier


def _row(job: Comparison, encoder: Encoder, model: network.Classifier, work: Path) -> tuple[Row, Classifier]:
    expected = _float32(job, model, work)
    fp32_bytes = (work / MODEL).stat().st_size
    posts, others = _parts(job.texts, len(model.config.labels))
    rows = tokenise(load_tokenizer(work / TOKENIZER), others, model.config.max_length, model.config.normalisation)
    factors = smoothing_factors(model, rows)
    arithmetic = StaticInt8(extremes(model, rows, factors), bits=7, factors=factors)
    policy = choose_policy((), model.config.labels, ())
    classifier = serve(replace(_job(work), quantization="int8-static-7bit"), model, arithmetic, policy, work)
    found = score_set(classifier, "posts", posts)
    parity = compare(expected, found, model.config.labels, classifier.bundle.policy.thresholds)
    row = Row(
        encoder=encoder,
        parameters=parameters(model, encoder.groups),
        fp32_bytes=fp32_bytes,
        int8_bytes=(work / MODEL).stat().st_size,
        mean=sum(each.mean for each in parity) / len(parity),
        largest=max(each.largest for each in parity),
        compared=len(found.examples),
        calibrated=len(others),
    )
    return row, classifier


def _float32(job: Comparison, model: network.Classifier, work: Path) -> ScoredSet:
    classifier = serve(_job(work), model, Float32(), choose_policy((), model.config.labels, ()), work)
    return score_set(classifier, "posts", _parts(job.texts, len(model.config.labels))[0])


def _parts(texts: Sequence[str], labels: int) -> tuple[list[Example], list[Example]]:
    """Posts to compare int8 with float32 on, and posts to calibrate with: no text is in both. Raises Fatal."""
    posts = [Example(str(i), text, (None,) * labels, "posts") for i, text in enumerate(dict.fromkeys(texts))]
    if len(posts) < 2:
        raise Fatal("encoders: some posts calibrate and others compare: give at least two different ones")
    return posts[::COMPARED], [post for i, post in enumerate(posts) if i % COMPARED]


def _job(work: Path) -> Export:
    return Export(work, work, "encoder", "0", quantization="fp32")


def _quality(classifier: Classifier, data: Sequence[Path]) -> float | None:
    """Mean AUROC over the report halves of the files and the labels of which they know both values."""
    found = []
    for path in data:
        posts = only(read_labelled(path, classifier.labels), "report")
        scored = score_set(classifier, path.name, posts)
        for position in range(len(classifier.labels)):
            found += [float(roc_auc_score(*known)) for known in known_sets([scored], position)]
    return sum(found) / len(found) if found else None


def _interleaved(served: Sequence[Classifier], texts: Sequence[str], rounds: int) -> list[list[float]]:
    """CPU seconds of each round, for each classifier; the first round, which allocates, does not count."""
    seconds: list[list[float]] = [[] for _ in served]
    posts = [Example(str(i), text, (), "posts") for i, text in enumerate(texts)]
    for number in range(rounds + 1):
        print(f"round {number}/{rounds}", flush=True)
        for found, classifier in zip(seconds, served, strict=True):
            started = time.process_time()
            score_set(classifier, "posts", posts if number else posts[:8])
            found.append(time.process_time() - started)
    return [found[1:] for found in seconds]
