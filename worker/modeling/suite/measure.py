"""How a bundle does on the suite: by phenomenon, and by identity group on the same harmless sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from worker.model.classifier import Classifier
from worker.modeling.augmentation.posts import Post
from worker.modeling.evaluation.scoring import score_set
from worker.modeling.posts.examples import Example
from worker.modeling.suite.cases import PROBE, SEED

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case with its scores by label."""

    post: Post
    scores: dict[str, float]

    def right(self, label: str) -> bool:
        """Whether the score is on the label's side of 0.5. Only where the case has that label."""
        return (self.scores[label] >= THRESHOLD) == bool(self.post.labels[label])


@dataclass(frozen=True, slots=True)
class KindResult:
    """One phenomenon. Accuracies at 0.5 and mean scores; None where no case has the label with that value."""

    kind: str
    cases: int
    hate_accuracy: float | None
    hate_score_of_hate: float | None
    hate_score_of_rest: float | None
    offensive_cases: int
    offensive_accuracy: float | None


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One identity group: share of its harmless probes scored as hate, and how far that is from the mean of all."""

    group: str
    cases: int
    false_positive_rate: float
    gap: float
    mean_score: float


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """The whole suite; balanced accuracy is over all cases but the probes, and over each half of the twins alike."""

    cases: int
    seed: int
    threshold: float
    hate_recall: float | None
    non_hate_recall: float | None
    balanced_accuracy: float | None
    twins_right: float | None
    offensive_balanced_accuracy: float | None
    largest_gap: float
    kinds: tuple[KindResult, ...]
    groups: tuple[GroupResult, ...]


def score_cases(classifier: Classifier, posts: Sequence[Post]) -> list[Outcome]:
    """Every case through the serving path."""
    examples = [Example(post.id, post.text, (None,) * len(classifier.labels), "suite") for post in posts]
    scored = score_set(classifier, "suite", examples)
    by_id = {post.id: post for post in posts}
    return [
        Outcome(by_id[example.id], dict(zip(classifier.labels, scores, strict=True)))
        for example, scores in zip(scored.examples, scored.scores, strict=True)
    ]


def summarise(outcomes: Sequence[Outcome]) -> SuiteResult:
    """Accuracies and gaps of scored cases. A label that the bundle lacks counts as no case."""
    cases = [outcome for outcome in outcomes if outcome.post.kind != PROBE]
    hate, rest = _recall(cases, "hate", 1), _recall(cases, "hate", 0)
    groups = _groups([outcome for outcome in outcomes if outcome.post.kind == PROBE])
    kinds = dict.fromkeys(outcome.post.kind for outcome in outcomes)
    return SuiteResult(
        cases=len(outcomes),
        seed=SEED,
        threshold=THRESHOLD,
        hate_recall=hate,
        non_hate_recall=rest,
        balanced_accuracy=_mean([hate, rest]),
        twins_right=_twins(cases),
        offensive_balanced_accuracy=_mean([_recall(cases, "offensive", 1), _recall(cases, "offensive", 0)]),
        largest_gap=max((abs(group.gap) for group in groups), default=0.0),
        kinds=tuple(_kind(kind, [o for o in outcomes if o.post.kind == kind]) for kind in kinds),
        groups=groups,
    )


def as_json(result: SuiteResult) -> dict[str, Any]:
    """Plain numbers, rounded to four places."""
    rounded: dict[str, Any] = _rounded(asdict(result))
    return rounded


def from_json(content: Mapping[str, Any]) -> SuiteResult:
    """What `as_json` made; other keys do not count."""
    found = {each.name: content[each.name] for each in fields(SuiteResult)}
    kinds = tuple(KindResult(**kind) for kind in found.pop("kinds"))
    groups = tuple(GroupResult(**group) for group in found.pop("groups"))
    return SuiteResult(**found, kinds=kinds, groups=groups)


def markdown(result: SuiteResult) -> str:
    """Two tables and a line about the whole."""
    summary = (
        f"{result.cases:,} cases, threshold {result.threshold}: balanced accuracy {_show(result.balanced_accuracy)} "
        f"(hate {_show(result.hate_recall)}, non-hate {_show(result.non_hate_recall)}); both twins right "
        f"{_show(result.twins_right)}; offensive balanced accuracy {_show(result.offensive_balanced_accuracy)}; "
        f"largest gap of a group {result.largest_gap:.3f}."
    )
    lines = [
        summary,
        "",
        "| phenomenon | cases | accuracy hate | mean score of hate | of the rest | cases offensive | accuracy offensive |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {k.kind} | {k.cases} | {_show(k.hate_accuracy)} | {_show(k.hate_score_of_hate)} | "
        f"{_show(k.hate_score_of_rest)} | {k.offensive_cases} | {_show(k.offensive_accuracy)} |"
        for k in result.kinds
    ]
    lines += ["", "| group | harmless cases | taken for hate | gap | mean score |", "|---|---|---|---|---|"]
    lines += [
        f"| {g.group} | {g.cases} | {g.false_positive_rate:.3f} | {g.gap:+.3f} | {g.mean_score:.3f} |"
        for g in sorted(result.groups, key=lambda g: -g.gap)
    ]
    return "\n".join(lines)


def _kind(kind: str, outcomes: Sequence[Outcome]) -> KindResult:
    hate, offensive = _labelled(outcomes, "hate"), _labelled(outcomes, "offensive")
    return KindResult(
        kind=kind,
        cases=len(outcomes),
        hate_accuracy=_mean([float(o.right("hate")) for o in hate]),
        hate_score_of_hate=_mean([o.scores["hate"] for o in hate if o.post.labels["hate"]]),
        hate_score_of_rest=_mean([o.scores["hate"] for o in hate if not o.post.labels["hate"]]),
        offensive_cases=len(offensive),
        offensive_accuracy=_mean([float(o.right("offensive")) for o in offensive]),
    )


def _groups(probes: Sequence[Outcome]) -> tuple[GroupResult, ...]:
    overall = _mean([float(not o.right("hate")) for o in probes]) or 0.0
    found = []
    for name in dict.fromkeys(outcome.post.group or "" for outcome in probes):
        mine = [outcome for outcome in probes if outcome.post.group == name]
        rate = sum(not outcome.right("hate") for outcome in mine) / len(mine)
        score = sum(outcome.scores["hate"] for outcome in mine) / len(mine)
        found.append(GroupResult(name, len(mine), rate, rate - overall, score))
    return tuple(found)


def _twins(cases: Sequence[Outcome]) -> float | None:
    """Share of pairs of hate and non-hate of which both are right: no constant answer gets any."""
    by_id = {outcome.post.id: outcome for outcome in _labelled(cases, "hate")}
    pairs = [(o, by_id[o.post.pair]) for o in by_id.values() if o.post.pair in by_id and o.post.labels["hate"]]
    pairs = [(hate, rest) for hate, rest in pairs if not rest.post.labels["hate"]]
    return _mean([float(hate.right("hate") and rest.right("hate")) for hate, rest in pairs])


def _labelled(outcomes: Sequence[Outcome], label: str) -> list[Outcome]:
    return [o for o in outcomes if label in o.scores and o.post.labels[label] is not None]


def _recall(outcomes: Sequence[Outcome], label: str, value: int) -> float | None:
    return _mean([float(o.right(label)) for o in _labelled(outcomes, label) if o.post.labels[label] == value])


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if len(numbers) == len(values) and numbers else None


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case _:
            return value


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
