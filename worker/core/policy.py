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
    """Probabilities from which a label asks for review and for blocking; `block` None: never by this label."""

    review: float
    block: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A threshold for each label, in the order of the bundle's labels. `version` appears in every verdict."""

    version: str
    labels: tuple[str, ...]
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, and the labels at or over their review threshold."""

    action: Action
    labels: tuple[str, ...]


def decide(scores: Scores, policy: Policy) -> Decision:
    """Apply `policy` to one post's scores. A score equal to its threshold counts as over it."""
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
