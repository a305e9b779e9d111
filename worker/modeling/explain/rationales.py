"""Posts of which people marked the words that matter, and explanations in the same units."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.explain.method import WordWeight
from worker.modeling.posts.examples import check_labels
from worker.modeling.posts.lines import read_rows
from worker.text.encodable import LONE_SURROGATE

_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Marked:
    """A post; `labels` are those it has for certain, `marked` says of each whitespace token whether people marked it."""

    id: str
    text: str
    labels: frozenset[str]
    marked: tuple[bool, ...]


def read_marked(path: Path, labels: Sequence[str]) -> list[Marked]:
    """Read the posts of a JSON Lines file that have marked words; others are left out.

    `rationales`: a list of 0 and 1 for each annotator, one for each whitespace token, of which a strict majority marks
    it (HateXplain). `spans`: [start, end) offsets in code points; a token is marked where one touches it (SemEval-2021
    task 5). Raises Fatal naming the line that is wrong, as one with a label that is none of `labels`, or the file without any marked word.
    """
    found = [
        post for post in read_rows(path, "a post with marked words", lambda row: _post(row, labels)) if any(post.marked)
    ]
    if not found:
        raise Fatal(f"--data: {path}: no post has `rationales` or `spans` that mark a word: nothing to agree with")
    return found


def token_spans(text: str) -> list[tuple[int, int]]:
    """Where the whitespace tokens of a text stand."""
    return [match.span() for match in _TOKEN.finditer(text)]


def token_weights(text: str, words: Sequence[WordWeight]) -> list[float]:
    """A weight for each whitespace token: the sum of its words' weights; 0 where it has none."""
    spans = token_spans(text)
    weights = [0.0] * len(spans)
    token = 0
    for word in words:
        while token < len(spans) - 1 and spans[token][1] <= word.start:
            token += 1
        weights[token] += word.weight
    return weights


def _post(row: Mapping[str, Any], labels: Sequence[str]) -> Marked:
    check_labels(row["labels"], labels)
    certain = frozenset(label for label, value in row["labels"].items() if value == 1)
    text = LONE_SURROGATE.sub("\ufffd", row["text"])  # as many characters: marks count them
    return Marked(str(row["id"]), text, certain, _marks(row))


def _marks(row: Mapping[str, Any]) -> tuple[bool, ...]:
    spans = token_spans(row["text"])
    if row.get("rationales"):
        lists = row["rationales"]
        if any(len(marks) != len(spans) for marks in lists):
            raise ValueError(f"rationales must hold {len(spans)} values each, one for each whitespace token")
        return tuple(2 * sum(marks) > len(lists) for marks in zip(*lists, strict=True))
    return tuple(
        any(start < end_of_token and end > start_of_token for start, end in row.get("spans") or ())
        for start_of_token, end_of_token in spans
    )
