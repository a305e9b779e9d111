"""Labelled posts: JSON Lines files to token ids, through the serving path's normalisation and tokenizer."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.model.tokenizer import encode, special_token
from worker.modeling.posts.lines import read_rows
from worker.text.encodable import LONE_SURROGATE, encodable
from worker.text.normalise import normalise
from worker.text.options import AS_WRITTEN, Normalisation


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled post. `labels` holds a probability for each label, None where the source does not say.

    `source` is the first part of its file's name, unless the row names another (a copy belongs to its original's);
    `pair` the id of a post of that source that is nearly the same, often of another label.
    """

    id: str
    text: str
    labels: tuple[float | None, ...]
    source: str
    pair: str | None = None

    @property
    def labelled(self) -> bool:
        """Whether its source says anything of it."""
        return any(value is not None for value in self.labels)


def read_examples(path: Path, labels: Sequence[str], soft: bool = False, one_sided: bool = False) -> list[Example]:
    """Read a JSON Lines file of `{"id", "text", "labels": {label: a number from 0 to 1, or null}}`.

    A label that no post of the whole file has, or every one (at 0.5), is treated as unknown there (unless `one_sided`): a source of
    positives alone teaches its style, not the label. `soft` reads the annotators' `votes` where a row has them:
    `{label: votes, ..., "neither": votes}`, in the order of `labels` from the graver to the milder, which the graver
    one implies. Raises Fatal naming the file and line that is not such an object, or a file without any label.
    """
    examples = read_rows(path, "a labelled post", lambda row: _example(row, path, labels, soft))
    if all(value is None for example in examples for value in example.labels):
        raise Fatal(f"{path}: every label is null: nothing to learn or to measure ({', '.join(labels)})")
    single = [not one_sided and len(sides(examples, k)) <= 1 for k in range(len(labels))]
    return [replace(e, labels=tuple(None if single[k] else v for k, v in enumerate(e.labels))) for e in examples]


def sides(examples: Iterable[Example], position: int) -> set[bool]:
    """Whether posts have the label at this position, at 0.5: both values, one, or none where it is unknown everywhere."""
    return sides_of(e.labels[position] for e in examples)


def sides_of(values: Iterable[float | None]) -> set[bool]:
    """The same of one label's values."""
    return {value >= 0.5 for value in values if value is not None}


def check_labels(found: Iterable[str], labels: Sequence[str]) -> None:
    """Raise ValueError naming a label of `found` that is none of `labels`."""
    unknown = sorted(set(found).difference(labels))
    if unknown:
        raise ValueError(f"unknown label {unknown[0]!r}: the labels are {', '.join(labels)}")


def _example(row: dict[str, Any], path: Path, labels: Sequence[str], soft: bool) -> Example:
    check_labels(row["labels"], labels)
    values = tuple(probability(row["labels"].get(label)) for label in labels)
    if soft and "votes" in row:
        values = _shares(row["votes"], labels)
    pair = row.get("pair")
    return Example(_id(row), _text(row), values, source_in(row, path), None if pair is None else str(pair))


def probability(value: Any) -> float | None:
    """A label's value as a file has it. Raises ValueError or TypeError where it is no number from 0 to 1, nor null."""
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"a label is {value!r}: not between 0 and 1")
    return value  # type: ignore[no-any-return]


def _shares(votes: dict[str, int], labels: Sequence[str]) -> tuple[float | None, ...]:
    """The share of annotators that gave this label or a graver one."""
    total = sum(votes.values())
    if total <= 0 or min(votes.values()) < 0 or not set(votes) <= {*labels, "neither"}:
        raise ValueError(
            f"votes are {votes!r}: expected counts from 0, and one at least, for {', '.join(labels)} and neither"
        )
    return tuple(sum(votes.get(label, 0) for label in labels[: k + 1]) / total for k in range(len(labels)))


def tokenise(
    tokenizer: Tokenizer, examples: Iterable[Example], max_length: int, normalisation: Normalisation = AS_WRITTEN
) -> list[list[int]]:
    """Token ids of each example, `[CLS]` … `[SEP]`, cut at `max_length` (training only: serving uses windows)."""
    cls, sep = special_token(tokenizer, "[CLS]"), special_token(tokenizer, "[SEP]")
    texts = [normalise(example.text, normalisation).text for example in examples]
    return [[cls, *ids[: max_length - 2], sep] for ids in encode(tokenizer, texts)]


def read_unlabelled(path: Path, labels: int) -> list[Example]:
    """Read a JSON Lines file of `{"id", "text"}`; labels in it, if any, are not looked at."""
    unknown = (None,) * labels
    return read_rows(path, "a post", lambda row: Example(_id(row), _text(row), unknown, source_in(row, path)))


def _id(row: dict[str, Any]) -> str:
    name = str(row["id"])
    if LONE_SURROGATE.search(name):
        raise ValueError("its id holds a lone surrogate")
    return name


def _text(row: dict[str, Any]) -> str:
    if not isinstance(row["text"], str):
        raise TypeError(f"text is a {type(row['text']).__name__}")
    return encodable(row["text"])  # as the worker reads it


def source_in(row: dict[str, Any], path: Path) -> str:
    """The source that a row names, or its file."""
    return str(row.get("source") or source_of(path))


def source_of(path: Path) -> str:
    """The source that a file's name names: what stands before the first dot."""
    return path.name.split(".")[0]


def digest_of(examples: Iterable[Example]) -> str:
    """SHA-256 of sources, ids, texts and labels, in their order: whether a run that goes on has the same posts."""
    found = hashlib.sha256()
    for e in examples:
        found.update(repr((e.source, e.id, e.text, e.labels)).encode())
    return found.hexdigest()


def sample(rows: Sequence[Example], count: int) -> list[Example]:
    """At most `count` rows, evenly spread over `rows`: the same every time."""
    return [rows[position * len(rows) // count] for position in range(count)] if len(rows) > count else list(rows)
