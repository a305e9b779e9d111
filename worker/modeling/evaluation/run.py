"""One call of `moderation-model evaluate`: what to measure, and where to write it."""

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.bundles import load_named
from worker.modeling.evaluation.baseline import fit_floor, plans
from worker.modeling.evaluation.evaluate import (
    Which,
    beside,
    compare,
    describe,
    evaluate,
    evaluate_floor,
    nothing_measured,
    score_files,
)
from worker.modeling.evaluation.report import render, write_report
from worker.modeling.evaluation.scoring import ScoredSet, of_half
from worker.modeling.evaluation.speed import measure_speed
from worker.modeling.evaluation.unlabelled import flag_rates
from worker.modeling.posts.examples import sample
from worker.modeling.posts.labelled import check_names, read_classes, read_labelled
from worker.modeling.writing import write_text


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The command's options: a bundle, the TF-IDF floor (`baseline`), or both side by side."""

    data: tuple[Path, ...]
    bundle: Path | None = None
    half: Which = "all"
    reference: Path | None = None
    unlabelled: Path | None = None
    unlabelled_posts: int = 2000
    speed_posts: int = 0
    json: Path | None = None
    report: Path | None = None
    baseline: bool = False
    per_source: bool = False
    train: tuple[Path, ...] = ()
    train_posts: int | None = None
    shuffle_seed: int | None = None
    cache: Path | None = None
    labels: tuple[str, ...] = ("hate", "offensive")


def run_evaluation(job: Evaluation) -> str:
    """Measure, write the files asked for, and return the report as text.

    Raises Fatal where an option asks for nothing, or a file cannot be read or written.
    """
    if not (job.bundle or job.baseline):
        raise Fatal("evaluate: nothing to measure: give --bundle, --baseline or both")
    needless = {"--reference": job.reference, "--unlabelled": job.unlabelled, "--speed-posts": job.speed_posts}
    if not job.bundle and (given := [option for option, value in needless.items() if value]):
        raise Fatal(f"evaluate {given[0]}: needs --bundle, which it measures")
    floors_only = {
        "--train": job.train,
        "--train-posts": job.train_posts,
        "--cache": job.cache,
        "--shuffle-labels": job.shuffle_seed is not None,
    }
    if not job.baseline and (given := [option for option, value in floors_only.items() if value]):
        raise Fatal(f"evaluate {given[0]}: is about the floor: give --baseline too")
    check_names(job.data)
    content, sets, labels = _bundle(job) if job.bundle else ({}, [], job.labels)
    if job.baseline:
        fitted = [
            fit_floor(plan, job.data, job.cache)
            for plan in plans(job.train, labels, job.train_posts, job.shuffle_seed, job.per_source)
        ]
        floors = [evaluate_floor(floor, job.half) for floor in fitted]
        if job.bundle:
            content |= {"floors": floors, "beside": beside(content["rows"], floors)}
        elif not floors[0]["rows"]:
            raise nothing_measured(fitted[0].labels, job.half)
        else:
            content = floors[0] | {"floors": floors[1:], "beside": beside(floors[0]["rows"], floors[1:])}
            sets, labels = list(fitted[0].sets), fitted[0].labels
    if job.json:
        write_text(job.json, json.dumps(content, indent=2) + "\n")
    if job.report:
        from worker.modeling.evaluation.plots import draw_all  # matplotlib takes seconds to import

        write_report(job.report, content, draw_all([of_half(each, job.half) for each in sets], labels))
    return render(content)


def _bundle(job: Evaluation) -> tuple[dict[str, Any], list[ScoredSet], tuple[str, ...]]:
    if job.bundle is None:
        raise AssertionError("only called with a bundle")
    classifier = load_named(job.bundle)
    sets = score_files(classifier, job.data)
    content: dict[str, Any] = {"note": describe(classifier, job.half)}
    content |= evaluate(classifier, sets, job.half, [read_classes(path) for path in job.data])
    if job.reference:
        reference = load_named(job.reference, "--reference")
        ours, theirs = ([of_half(each, job.half) for each in s] for s in (sets, score_files(reference, job.data)))
        content["note"] += " " + compare(classifier, ours, reference, theirs)
    if job.unlabelled:
        content["unlabelled"] = flag_rates(classifier, job.unlabelled, job.unlabelled_posts)
    if job.speed_posts:
        examples = list(chain.from_iterable(read_labelled(path, classifier.labels) for path in job.data))
        content["speed"] = measure_speed(classifier, [e.text for e in sample(examples, job.speed_posts)])
    return content, sets, classifier.labels
