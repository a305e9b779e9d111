"""The posts of a run as token ids and targets."""

import hashlib
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from worker.core.errors import Fatal
from worker.model.tokenizer import encode, special_token
from worker.modeling.posts.examples import Example, digest_of, read_examples, read_unlabelled, sides, tokenise
from worker.modeling.posts.folds import Fold, parts_of
from worker.modeling.posts.overlap import without_dev
from worker.modeling.posts.pairs import find_pairs
from worker.modeling.posts.subgroups import Mention, mentions
from worker.modeling.training import tfidf
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.teacher_scores import TeacherScores
from worker.text.normalise import normalise

_MADE = "log-odds less those of all sources"
"""Another name where targets, weights or offsets are made in another way: checkpoints from before are then refused."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Posts of all files of a recipe, in the order of the files.

    `rows`: token ids. `targets`, `weights`: float32 [posts, labels]; a weight of 0 is an unknown label.
    `known`: float32 [posts, labels], 1 where the source itself has a label (its own head learns nothing else), with
    `labels` float32 [posts, labels] beside. `offsets`: float32 [posts, labels], `source_priors` of the
    log-odds of the post's source, less those of all sources, and `source_offsets`, added to the logits in the loss.
    `source`: int64 [posts], an index into `sources`, -1 for unlabelled posts.
    `twins`: for a position, the pairs of near-twins (the one whose first label is 1 first) it is the first of.
    `occluded`: token ids of the posts that name a group, without the name. `digest`: of the posts, their labels and
    what teachers said of them, and which way targets, weights and offsets are made of these. `fold`: what was left out.
    """

    rows: list[list[int]]
    targets: Tensor
    weights: Tensor
    labels: Tensor
    known: Tensor
    offsets: Tensor
    source: Tensor
    sources: tuple[str, ...]
    twins: dict[int, list[tuple[int, int]]]
    occluded: dict[int, list[int]]
    digest: str
    fold: Fold | None

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All near-twins."""
        return [pair for pairs in self.twins.values() for pair in pairs]

    def labels_of_sources(self, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """By source, those of `labels`, the recipe's, of which its posts have both values: of one alone nothing is learnt."""
        found = {}
        for number, source in enumerate(self.sources):
            known, high = self.known[self.source == number] > 0, self.labels[self.source == number] >= 0.5
            both = (known & high).any(dim=0) & (known & ~high).any(dim=0)
            found[source] = tuple(label for label, learnt in zip(labels, both.tolist(), strict=True) if learnt)
        return found


def read_training_set(recipe: Recipe, tokenizer: Tokenizer, dev: Sequence[Path] = ()) -> TrainingSet:
    """Read, tokenise and combine the files of `recipe`, without posts of `dev`. Raises Fatal naming what is wrong."""
    examples, fold = _read(recipe, dev)
    if recipe.shuffle_labels:
        examples = _shuffled(examples, recipe.seed)
    sources = tuple(dict.fromkeys(e.source for e in examples if e.labelled))
    labels = torch.tensor([[v or 0.0 for v in e.labels] for e in examples])
    known = torch.tensor([[float(v is not None) for v in e.labels] for e in examples])
    targets, weights, digest = labels, known, f"{digest_of(examples)} {_MADE}"
    if recipe.teacher_scores:
        taught = torch.tensor([e.source not in recipe.own_labels for e in examples])
        said = torch.zeros_like(known)
        said[taught] = TeacherScores.read(Path(recipe.teacher_scores)).logits_of(taught_posts(examples, recipe))
        digest += " " + hashlib.sha256(said.numpy().tobytes()).hexdigest()
        if recipe.tfidf_shares:
            digest += f" {tfidf.RECIPE}"
            said = tfidf.mix_in(said, examples, recipe.labels, recipe.tfidf_shares, recipe.normalisation)
        own = torch.where(taught[:, None], known * (1 - recipe.teacher_weight), known)
        targets = labels * own + said.sigmoid() * (1 - own)
        weights = torch.where(taught[:, None], 1.0, known)
    factors = torch.tensor([recipe.source_weights.get(e.source, 1.0) for e in examples])[:, None]
    positive = torch.tensor([recipe.positive_weights.get(label, 1.0) for label in recipe.labels])
    weights = weights * factors * (1 + (positive - 1) * targets)
    offsets = recipe.source_priors * _log_odds(examples, labels, known) + _offsets(examples, recipe)
    return TrainingSet(
        rows=tokenise(tokenizer, examples, recipe.max_length, recipe.normalisation),
        targets=targets,
        weights=weights,
        labels=labels,
        known=known,
        offsets=offsets,
        source=torch.tensor([sources.index(e.source) if e.labelled else -1 for e in examples]),
        sources=sources,
        twins=_by_first(find_pairs(examples) if recipe.pair_weight else []),
        occluded=_occluded(examples, tokenizer, recipe) if recipe.explanation_weight else {},
        digest=digest,
        fold=fold,
    )


def _check_names(option: str, weights: Collection[str], known: Collection[str]) -> None:
    for name in weights:
        if name not in known:
            raise Fatal(f"{option} {name}: no such name; there are {', '.join(known)}")


def _log_odds(examples: Sequence[Example], labels: Tensor, known: Tensor) -> Tensor:
    """Of each label in each post's source, less those of all sources; 0 where its mean is 0 or 1.

    Logit adjustment (Menon et al. 2021), by source: without it the common head learns to tell a source of many positives
    from one of few, and within any source what looks like the other's style misleads. Copies of a source's posts count
    as its own. Unlabelled posts of none keep the odds of all, which their teacher knew.
    """
    found = torch.zeros_like(labels)
    pooled = ((labels * known).sum(dim=0) / known.sum(dim=0).clamp(min=1)).logit()
    for source in {e.source for e in examples}:
        own = torch.tensor([e.source == source for e in examples])
        share = (labels * known)[own].sum(dim=0) / known[own].sum(dim=0).clamp(min=1)
        found[own] = torch.where((share > 0) & (share < 1), share.logit() - pooled, 0.0)
    return found


def _offsets(examples: Sequence[Example], recipe: Recipe) -> Tensor:
    """`source_offsets` of each post's source, float32 [posts, labels]."""
    given = recipe.source_offsets
    return torch.tensor([[given.get(f"{e.source}:{label}", 0.0) for label in recipe.labels] for e in examples])


def read_posts(recipe: Recipe, dev: Sequence[Path] = ()) -> list[Example]:
    """The posts of all files of a recipe: labelled, clean, unlabelled; but none whose text is in a file of `dev`.

    Raises Fatal where none are left, a weight or offset is of no source or label of them, or a label has one value in all of them
    and there is no teacher.
    """
    return _read(recipe, dev)[0]


def _check_own_labels(own: Collection[str], examples: Sequence[Example]) -> None:
    """Raise Fatal where a source is not there, or has a post without labels that no teacher would speak of."""
    _check_names("--own-labels", own, dict.fromkeys(e.source for e in examples))
    if (bare := next((e for e in examples if e.source in own and not e.labelled), None)) is not None:
        raise Fatal(
            f"--own-labels {bare.source}: its post {bare.id!r} has no label: it is in --unlabelled, or all of its labels are null "
            "or have one value in the whole file (--clean gives them the other)"
        )


def taught_posts(examples: Sequence[Example], recipe: Recipe) -> list[Example]:
    """Those whose scores by teachers are learnt."""
    return [example for example in examples if example.source not in recipe.own_labels]


def _read(recipe: Recipe, dev: Sequence[Path]) -> tuple[list[Example], Fold | None]:
    """`read_posts`, and what `fold` left out."""
    balanced, fold = bool(recipe.clean), None
    found = [e for name in recipe.train for e in read_examples(Path(name), recipe.labels, recipe.soft_labels, balanced)]
    found += [e for name in recipe.clean for e in read_examples(Path(name), recipe.labels, one_sided=True)]
    if recipe.fold is not None:
        digests, parts = parts_of(found, recipe.folds)
        fold = Fold(recipe.fold, recipe.folds, digests)
        found = [e for e, part in zip(found, parts, strict=True) if part != recipe.fold]
    found += [e for name in recipe.unlabelled for e in read_unlabelled(Path(name), len(recipe.labels))]
    found = without_dev(found, dev)  # after the folds: what is left out decides no other post's part
    if not found:
        raise Fatal("training data: --fold and --dev leave none of the posts of --train")
    sources = dict.fromkeys(e.source for e in found)
    _check_names("--source-weight", recipe.source_weights, sources)
    _check_own_labels(recipe.own_labels, found)
    _check_names("--source-offset", recipe.source_offsets, [f"{s}:{label}" for s in sources for label in recipe.labels])
    _check_names("--positive-weight", recipe.positive_weights, recipe.labels)
    _check_names("--tfidf-share", recipe.tfidf_shares, recipe.labels)
    tfidf.check_shares(recipe.tfidf_shares, found, recipe.labels)
    for k, label in enumerate(recipe.labels):
        values = sides(found, k)
        if len(values) < 2 and not recipe.teacher_scores:
            raise Fatal(
                f"training data: the label {label!r} has {len(values)} value(s) in all files of --train: a "
                "classifier needs posts with and without it; null means unknown, 0 means without"
            )
    return found, fold


def _occluded(examples: Sequence[Example], tokenizer: Tokenizer, recipe: Recipe) -> dict[int, list[int]]:
    """Posts that name groups, without the names: what explanation regularisation compares with.

    The words are left out rather than masked, as in explanations: `[MASK]` in a neutral word's place moves the score.
    """
    texts = [normalise(example.text, recipe.normalisation).text for example in examples]
    named = {i: without for i, text in enumerate(texts) if (without := _without(text, mentions(text))) != text}
    rows = encode(tokenizer, list(named.values()))
    cls, sep = special_token(tokenizer, "[CLS]"), special_token(tokenizer, "[SEP]")
    return {i: [cls, *row[: recipe.max_length - 2], sep] for i, row in zip(named, rows, strict=True)}


def _without(text: str, found: Sequence[Mention]) -> str:
    left, end = [], 0
    for mention in found:
        left.append(text[end : mention.start])
        end = max(end, mention.end)
    return "".join([*left, text[end:]])


def _by_first(pairs: Sequence[tuple[int, int]]) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for pair in pairs:
        found.setdefault(pair[0], []).append(pair)
    return found


def _shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same posts with each other's labels: a classifier that still beats chance reads them where it must not."""
    labels = [example.labels for example in examples]
    random.Random(seed).shuffle(labels)
    return [Example(e.id, e.text, own, e.source) for e, own in zip(examples, labels, strict=True)]
