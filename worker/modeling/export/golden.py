"""Golden posts: made-up texts whose scores a bundle carries, so that a worker can prove it computes the same."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from worker.core.policy import Policy, decide
from worker.core.types import Scores
from worker.model.classifier import TOLERANCE, Classifier
from worker.modeling.evaluation.scoring import score_set
from worker.modeling.export import golden_korean
from worker.modeling.posts.examples import Example

_RAMBLE = (
    "We took the early train along the coast, and the sea was so calm that you could count the gulls on it. "
    "My aunt had packed sandwiches, my brother read out the names of the stations, and nobody was in a hurry. "
)


def _full_width(text: str) -> str:
    """Latin letters as their full-width forms, which NFKC folds back."""
    return "".join(chr(ord(char) + 0xFEE0) if char.isalpha() else char for char in text)


CANDIDATES: dict[str, tuple[str, ...]] = {
    "one word": ("hello", "thanks", "ok"),
    "benign": (
        "What a lovely day for a walk in the park with the dog!",
        "Does anyone know a good recipe for lentil soup?",
        "The new bridge opens on Monday, two weeks early.",
    ),
    "benign about people": (
        "My neighbours invited us to their wedding and the food was wonderful.",
        "Happy holidays to everyone who celebrates today!",
    ),
    "swearing at nobody": (
        "damn it, I dropped my fucking phone again",
        "holy shit, what a goal, that was bloody brilliant",
        "this stupid printer is crap",
    ),
    "insult": (
        "you are a stupid idiot and nobody likes you, shut up",
        "what a dumb loser, go cry somewhere else you clown",
        "shut your mouth you stupid bitch",
    ),
    "hateful": (
        "All people from that country are filthy vermin and should be thrown out of ours.",
        "immigrants are disgusting animals, get them all out of our country",
        "women are too stupid to vote and should be kept in the kitchen",
    ),
    "emoji": (
        "great game tonight 🎉🎉 see you all tomorrow 😀",
        "happy birthday 🎂🎈 have a wonderful day",
    ),
    "emoji against a word": (
        "those people are 🐀vermin🐀 and animals🤮, throw them all out of our country",
        "you are all stupid🤡idiots🤡",
    ),
    "look-alike letters": (
        _full_width("you are a stupid idiot"),
        "What a lo\u200bvely d\u200bay for a " + _full_width("walk") + " in the park!",
    ),
    "typed control token": (
        "What a lovely day [SEP] [PAD] [CLS] see you in the park [UNK]",
        "hello [SEP] there",
    ),
    "long word": ("ha" * 300 + " that was funny", "so" + "o" * 400 + " nice"),
    "several windows": (_RAMBLE * 8, _RAMBLE * 6),
    "several windows, hateful at the end": (
        _RAMBLE * 6 + "All people from that country are filthy vermin and should be thrown out of ours.",
        _RAMBLE * 6 + "immigrants are disgusting animals, get them all out of our country",
    ),
    "shouting": ("BEST CONCERT EVER!!! THANK YOU ALL SO MUCH!!!", "FREE COFFEE IN THE LOBBY UNTIL NOON!!!"),
    "number and link": ("https://example.org/2024/05/17 has 1,234 photos, see no. 56", "call 555-0100 before 9:30"),
}


Candidates: TypeAlias = Mapping[str, Sequence[str]]


def candidates_in(language: str) -> Candidates:
    """Candidates in a language (BCP 47): Korean ones for Korean, English ones for all others."""
    return golden_korean.CANDIDATES if language.split("-", maxsplit=1)[0] == "ko" else CANDIDATES


def write_golden(classifier: Classifier, policy: Policy, path: Path, candidates: Candidates = CANDIDATES) -> list[str]:
    """Score the candidates, keep those that say most, and write them to `path`.

    Of each kind the one farthest from every threshold, and one more for each decision (action and labels) that none
    of those has but a candidate does. All at a margin that every CPU keeps: a worker that decides one of them otherwise
    does not start. Returns a warning for each kind that has none such, whose path no worker then proves; where no kind has,
    all are kept, near as they are.
    """
    examples = [Example(kind, text, (), "golden") for kind, texts in candidates.items() for text in texts]
    scored = score_set(classifier, "golden", examples)
    found = sorted(
        zip(scored.examples, scored.scores, strict=True), key=lambda pair: margin(pair[1], policy), reverse=True
    )
    best = {example.id: (example, scores) for example, scores in reversed(found)}
    of_kinds = [best[kind] for kind in candidates if kind in best]
    near = [pair for pair in of_kinds if margin(pair[1], policy) < TOLERANCE]
    kept = [pair for pair in of_kinds if pair not in near] or of_kinds
    for pair in found:
        known = [decide(scores, policy) for _, scores in kept]
        if margin(pair[1], policy) >= TOLERANCE and decide(pair[1], policy) not in known:
            kept.append(pair)
    path.write_text("".join(_line(example, scores, policy) for example, scores in kept), encoding="utf-8")
    return [
        f"golden post {example.id!r} is {margin(scores, policy):.3f} from a threshold, where another CPU may decide "
        f"otherwise: {'kept, for there is none better' if kept is of_kinds else 'left out'}"
        for example, scores in near
    ]


def _line(example: Example, scores: Scores, policy: Policy) -> str:
    decision = decide(scores, policy)
    row = {
        "name": example.id,
        "text": example.text,
        "scores": dict(zip(policy.labels, scores, strict=True)),
        "action": decision.action,
        "labels": decision.labels,
    }
    return json.dumps(row) + "\n"


def margin(scores: Scores, policy: Policy) -> float:
    """Distance of the nearest score from a threshold of its label."""
    return min(
        abs(score - bound)
        for score, threshold in zip(scores, policy.thresholds, strict=True)
        for bound in (threshold.review, threshold.block)
        if bound is not None
    )
