"""Teachers' logits of posts, scored once and kept: what a student learns from."""

import fcntl
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.posts.examples import Example, tokenise
from worker.modeling.posts.folds import Fold, parts_of
from worker.modeling.training.config import read_config, refuse_unsaid
from worker.modeling.training.network import Classifier, device, predict_logits, weights_digest
from worker.modeling.training.teacher_scores import TeacherScores, key

_PART = 4096
"""Posts after which scores are saved: a few minutes' work at most is done twice."""


def score(teachers: Sequence[Path], examples: Sequence[Example], cache: Path, labels: tuple[str, ...]) -> TeacherScores:
    """Mean logits of `teachers` for all `examples`, taken from `cache` or computed and added to it.

    A teacher with a head for a post's source speaks with the mean of that and its common head, of the labels that the
    source taught it; where some teachers never saw a post (`fold`), they alone are asked. Raises Fatal where posts are
    missing from the cache and no teacher is given, where the cache is of other teachers, or where a teacher has other
    labels than `labels`.
    """
    _check_ids(examples)
    names = tuple(f"{path.resolve().name}:{_digest(path)}" for path in teachers)
    known, missing = _kept(cache, names, labels, examples)
    if known and not missing:
        return known
    if missing and not teachers:
        raise Fatal(f"{cache}: lacks {len(missing):,} of {len(examples):,} posts: give teachers with --teacher")
    with _alone(cache):
        known, missing = _kept(cache, names, labels, examples)  # another run may have scored them meanwhile
        loaded = {path: Classifier.load(path).to(device()) for path in teachers}
        models = [(loaded[path], path) for path in teachers]
        for path, model in loaded.items():
            refuse_unsaid(model.config, path)
            if model.config.labels != labels:
                raise Fatal(f"{path}: a teacher of {' '.join(model.config.labels)}; --labels are {' '.join(labels)}")
        known = _score(
            models,
            missing,
            _unseen([(model.config.fold, path) for model, path in models], examples),
            known,
            cache,
            names,
        )
    if known is None:
        raise Fatal("no posts to score")
    return known


def _digest(path: Path) -> str:
    """Of what decides what a teacher says: its weights, and which labels the heads of its sources speak of."""
    heads = read_config(path).source_labels
    said = f"+{zlib.crc32(repr(sorted(heads.items())).encode()):08x}" if heads else ""
    return weights_digest(path) + said


def _kept(
    cache: Path, names: Sequence[str], labels: tuple[str, ...], examples: Sequence[Example]
) -> tuple[TeacherScores | None, list[Example]]:
    """What the file holds, None where there is none; and the posts that it lacks."""
    if not cache.exists():
        return None, [*examples]
    known = TeacherScores.read(cache)
    if known.teachers and names and _digests(known.teachers) != _digests(names):
        raise Fatal(
            f"{cache}: scores of the teachers {', '.join(known.teachers)}, not of {', '.join(names)}: "
            "give those with --teacher or choose another --scores"
        )
    if known.labels != labels:
        raise Fatal(f"{cache}: scores of the labels {' '.join(known.labels)}; --labels are {' '.join(labels)}")
    return known, [e for e, have in zip(examples, known.known(examples), strict=True) if not have]


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Wait for other runs that complete the same file: each would write over what the others added."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        lock = cache.with_suffix(".lock").open("w")
    except OSError as error:
        raise Fatal(f"{cache}: cannot be written: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{cache}: another run completes it: waiting", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield  # closing the file gives the lock back, as the end of the process does


def _score(
    models: Sequence[tuple[Classifier, Path]],
    missing: Sequence[Example],
    unseen: dict[str, torch.Tensor],
    known: TeacherScores | None,
    cache: Path,
    names: tuple[str, ...],
) -> TeacherScores | None:
    started = time.monotonic()
    for start in range(0, len(missing), _PART):
        part = missing[start : start + _PART]
        logits = _mean(models, part, torch.stack([unseen[key(e)] for e in part], dim=1))
        known = _joined(known, TeacherScores.of(part, logits, names, models[0][0].config.labels))
        known.write(cache)
        done = start + len(part)
        left = (time.monotonic() - started) / done * (len(missing) - done)
        print(f"teachers scored {done:,}/{len(missing):,} posts, {left / 60:.0f} min left", flush=True)
    return known


def _check_ids(examples: Iterable[Example]) -> None:
    texts: dict[str, str] = {}
    for example in examples:
        if texts.setdefault(key(example), example.text) != example.text:
            raise Fatal(
                f"two posts of the source {example.source!r} have the id {example.id!r}: teachers' scores go by both; give "
                "posts other ids, or one of the files a name that begins otherwise (FIRST.train.jsonl is the source FIRST)"
            )


def _digests(teachers: Iterable[str]) -> list[str]:
    return sorted(name.rpartition(":")[2] for name in teachers)


def _mean(models: Sequence[tuple[Classifier, Path]], examples: Sequence[Example], unseen: torch.Tensor) -> torch.Tensor:
    """For each post the mean of the teachers that never saw it (bool [teachers, posts]), or of all where each did.

    A teacher that is given twice is asked once.
    """
    asked = torch.where(unseen.any(dim=0), unseen, True)
    total = torch.zeros(len(examples), len(models[0][0].config.labels))
    said: dict[Path, torch.Tensor] = {}
    for (model, path), chosen in zip(models, asked, strict=True):
        if chosen.any():
            if path not in said:
                said[path] = _logits(model, path, [e for e, ask in zip(examples, chosen, strict=True) if ask])
            total[chosen] += said[path]
    return total / asked.sum(dim=0)[:, None]


def _unseen(folds: Sequence[tuple[Fold | None, Path]], examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """By post, which teachers never saw it, bool [teachers].

    Of posts that bear a label, those of its fold or of a source it does not know of. Raises Fatal where a teacher had
    other posts of a source, so that their parts are others too.
    """
    parts = {of: parts_of(examples, of) for of in {fold.of for fold, _ in folds if fold is not None}}
    never = torch.tensor([[not e.labelled for e in examples]] * len(folds))
    for teacher, (fold, path) in enumerate(folds):
        if fold is None:
            continue
        digests, own = parts[fold.of]
        for source in digests.keys() & fold.digests.keys():
            if digests[source] != fold.digests[source]:
                raise Fatal(
                    f"{path}: left out part {fold.part} of {fold.of} of other labelled posts of the source {source!r} than these: "
                    "give distill the same --train and --clean as its teachers had, and no --fold"
                )
        never[teacher] |= torch.tensor(
            [part == fold.part or e.source not in fold.digests for e, part in zip(examples, own, strict=True)]
        )
    found: dict[str, torch.Tensor] = {}
    # Of a post that is in two files, one of them unlabelled, the other counts.
    for example, column in zip(examples, never.T, strict=True):
        found[key(example)] = found.get(key(example), column) & column
    return found


def _logits(model: Classifier, path: Path, examples: Sequence[Example]) -> torch.Tensor:
    rows = tokenise(
        load_tokenizer(path / "tokenizer.json"), examples, model.config.max_length, model.config.normalisation
    )
    names = model.config.sources
    return predict_logits(model, rows, [names.index(e.source) if e.source in names else -1 for e in examples])


def _joined(known: TeacherScores | None, more: TeacherScores) -> TeacherScores:
    if known is None:
        return more
    return TeacherScores(
        np.concatenate((known.keys, more.keys)),
        np.concatenate((known.digests, more.digests)),
        np.concatenate((known.logits, more.logits)),
        known.teachers,  # of all: what a file does not say cannot be known of half of it
        known.labels,
        known.file,
    )
