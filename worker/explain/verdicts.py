"""Verdicts with a reason beside them: `classify --explain`."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TypeAlias

import orjson
from tqdm import tqdm

from worker.core.policy import Policy, decide
from worker.core.ports import Encode, Outcome
from worker.core.types import Outgoing, Post, Record, Scored, Tombstone
from worker.explain.method import Explanation, Method, explain, label_position
from worker.explain.occlusion import Occlusion
from worker.explain.terminal import render, safe
from worker.model.classifier import Classifier

Decode: TypeAlias = Callable[[Record], Post | Tombstone]


def explained(
    encode: Encode, decode: Decode, classifier: Classifier, policy: Policy, label: str | None
) -> "ExplainedVerdicts":
    """What `encode` makes, explained by occlusion; where stderr is a terminal, it shows the words in colour too."""
    show = _show if sys.stderr.isatty() else None
    return ExplainedVerdicts(encode, decode=decode, method=Occlusion(classifier), policy=policy, label=label, show=show)


class ExplainedVerdicts:
    """An Encode that adds `explanations` to what another one makes of a scored post, and changes no byte of the rest.

    Explained is `label`, or without one each label over its review threshold. `show` is given the post's id, the text
    and each explanation of it. The constructor raises Fatal where the model has no such label.
    """

    def __init__(
        self,
        encode: Encode,
        *,
        decode: Decode,
        method: Method,
        policy: Policy,
        label: str | None,
        show: Callable[[str, str, Explanation], None] | None = None,
    ) -> None:
        if label is not None:
            label_position(method.labels, label)
        self._encode = encode
        self._decode = decode
        self._method = method
        self._policy = policy
        self._label = label
        self._show = show

    def __call__(self, record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
        """See Encode. Explaining runs where it is called: nothing in `classify` waits for an event loop in time."""
        encoded = self._encode(record, outcome)
        match outcome, encoded:
            case Scored(), (Outgoing(value=bytes(value)) as verdict,):
                explanations = orjson.dumps(self._explanations(record, outcome))
                explained = value[:-1] + b',"explanations":' + explanations + b"}"
                return (Outgoing(verdict.channel, verdict.key, explained, verdict.headers),)
        return encoded

    def _explanations(self, record: Record, scored: Scored) -> list[dict[str, object]]:
        post = self._decode(record)
        if not isinstance(post, Post):  # a scored record held a post
            return []
        found = []
        for label in (self._label,) if self._label else decide(scored.scores, self._policy).labels:
            field, text, explanation = max(self._of_fields(post, label), key=lambda one: one[2].score)
            if self._show:
                self._show(post.ref.id, text, explanation)
            words = [asdict(word) for word in explanation.words]
            found.append({"label": label, "score": explanation.score, "field": field, "words": words})
        return found

    def _of_fields(self, post: Post, label: str) -> Iterable[tuple[str, str, Explanation]]:
        for field, text in (("title", post.title), ("text", post.text)):
            explanation = explain(self._method, text, label) if text else None
            if text and explanation:
                yield field, text, explanation


def _show(post_id: str, text: str, explanation: Explanation) -> None:
    colour = not os.environ.get("NO_COLOR")  # https://no-color.org
    tqdm.write(f"{safe(post_id)}  {render(text, explanation, colour=colour)}", file=sys.stderr)
