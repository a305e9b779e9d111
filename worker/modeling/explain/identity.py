"""How much score identity terms carry in neutral sentences: the bias that explanations make visible.

Kennedy et al. 2020 (arXiv 2005.02439) found that classifiers of hate weigh `Muslim` or `gay` as if they were insults.
The sentences are our own, everyday and without an opinion on anybody; none is the augmentation's. Most groups that a
neutral word names are in it, though, and a model that was trained with it has met them in other harmless sentences:
rows say which, so that the two kinds are not taken together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from worker.explain.method import Method, explain
from worker.modeling.augmentation.posts import augmentation_grammar

SENTENCES = (
    "Our {} neighbour lent us a ladder on Saturday.",
    "The {} family upstairs has a piano.",
    "Two {} students repaired the bicycle shed last week.",
    "The {} family at the next table ordered soup.",
    "My {} friend is learning to play the cello.",
    "Our {} neighbour waters the tomatoes while we are away.",
    "Some {} friends of mine work at the post office.",
    "Three {} students asked me where the library was.",
)
TERMS: Mapping[str, str] = {
    "women": "female",
    "men": "male",
    "black": "Black",
    "white": "white",
    "asian": "Asian",
    "latino": "Hispanic",
    "arab": "Arab",
    "indigenous": "indigenous",
    "roma": "Roma",
    "immigrants": "immigrant",
    "muslims": "Muslim",
    "jews": "Jewish",
    "christians": "Christian",
    "gay": "gay",
    "trans": "transgender",
    "disabled": "disabled",
    "old": "elderly",
}
"""By the group of worker.modeling.posts.subgroups."""
CONTROLS = ("new", "tall", "cheerful")
"""Words that name nobody's identity, in the same place."""
CONTROL = "no group"


@dataclass(frozen=True, slots=True)
class TermRow:
    """One group and label, means over SENTENCES.

    `excess`: the score over that of the controls; `flagged`: the share at or over the label's review threshold;
    `weight`: that of the term itself, in log-odds; `augmented`: whether the augmentation names people by that term
    (None: it names no group).
    """

    group: str
    label: str
    sentences: int
    score: float
    excess: float
    flagged: float
    weight: float
    augmented: bool | None


def augmented_groups() -> frozenset[str]:
    """The groups of TERMS whose term is a word of a name in the augmentation's groups."""
    forms = [text for group in augmentation_grammar().groups for texts in group.forms.values() for text in texts]
    names = "\n".join(forms)
    return frozenset(group for group, term in TERMS.items() if re.search(rf"\b{term}s?\b", names, re.IGNORECASE))


def measure_terms(method: Method, thresholds: Mapping[str, float]) -> list[TermRow]:
    """A row for each label and group, the heaviest term first, the controls among them."""
    rows = []
    augmented = augmented_groups()
    for label in method.labels:
        terms = [(CONTROL, term) for term in CONTROLS] + list(TERMS.items())
        found = [(group, *_carried(method, sentence, term, label)) for group, term in terms for sentence in SENTENCES]
        usual = fmean(score for group, score, _ in found if group == CONTROL)
        for group in (CONTROL, *TERMS):
            scores = [score for name, score, _ in found if name == group]
            weights = [weight for name, _, weight in found if name == group]
            flagged = fmean(score >= thresholds[label] for score in scores)
            score = fmean(scores)
            met = None if group == CONTROL else group in augmented
            rows.append(TermRow(group, label, len(scores), score, score - usual, flagged, fmean(weights), met))
    return sorted(rows, key=lambda row: (method.labels.index(row.label), -row.weight))


def _carried(method: Method, sentence: str, term: str, label: str) -> tuple[float, float]:
    """The sentence's score with the term in it, and the term's own weight."""
    text = sentence.format(term)
    start = sentence.index("{}")
    explanation = explain(method, text, label)
    if explanation is None:
        raise ValueError("a sentence of words has a score")
    own = [word.weight for word in explanation.words if start <= word.start < start + len(term)]
    return explanation.score, sum(own)
