"""Thresholds that turn scores into an action."""

from dataclasses import dataclass
from enum import StrEnum

from worker.core.types import Scores


class Action(StrEnum):
    """What to do with a post. Consumers treat a value they do not know as `review`."""

    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Probabilities from which a label asks for review and for blocking; `block` None: never by this label.

    Raises ValueError unless 0 <= review <= block <= 1: a block below review would hide reviews.
    """

    review: float
    block: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.review <= (1 if self.block is None else self.block) <= 1:
            raise ValueError(f"thresholds must be 0 <= review <= block <= 1, not {self.review} and {self.block}")


@dataclass(frozen=True, slots=True)
class Policy:
    """A threshold for each label, in the order of the bundle's labels. `version` appears in every verdict.

    Raises ValueError where labels repeat, or there is not one threshold for each.
    """

    version: str
    labels: tuple[str, ...]
    thresholds: tuple[Threshold, ...]

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) != len(self.thresholds):
            raise ValueError(f"policy {self.version}: needs one threshold for each label, and no label twice")


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, and the labels at or over their review threshold."""

    action: Action
    labels: tuple[str, ...]


def decide(scores: Scores, policy: Policy) -> Decision:
    """Apply `policy` to one post's scores. A score equal to its threshold counts as over it.

    Raises ValueError for scores that are no probabilities or not one for each label: NaN is under every threshold,
    so a broken model would allow everything.
    """
    if len(scores) != len(policy.labels) or not all(0 <= score <= 1 for score in scores):
        raise ValueError("scores must be one probability for each label")
    labels = []
    action = Action.ALLOW
    for label, score, threshold in zip(policy.labels, scores, policy.thresholds, strict=True):
        if threshold.block is not None and score >= threshold.block:
            labels.append(label)
            action = Action.BLOCK
        elif score >= threshold.review:
            labels.append(label)
            action = Action.REVIEW if action is Action.ALLOW else action
    return Decision(action, tuple(labels))
