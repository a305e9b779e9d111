"""Labelled posts: JSON Lines files to token ids, through the serving path's normalisation and tokenizer."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.model.tokenizer import encode, special_token
from worker.text.normalise import normalise


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled post. `labels` holds a probability for each label, None where the source does not say."""

    id: str
    text: str
    labels: tuple[float | None, ...]
    source: str


def read_examples(path: Path, labels: Sequence[str]) -> list[Example]:
    """Read a JSON Lines file of `{"id", "text", "labels": {label: 0|1|null}}`.

    A label that has only one value in the whole file is treated as unknown there: a source of positives alone
    teaches its style, not the label. Raises Fatal naming the line that is not such an object.
    """
    examples = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                values = tuple(row["labels"].get(label) for label in labels)
                examples.append(Example(str(row["id"]), str(row["text"]), values, path.name.split(".")[0]))
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise Fatal(f"{path}:{number}: not a labelled post: {error!r}") from error
    single = [len({e.labels[k] for e in examples} - {None}) <= 1 for k in range(len(labels))]
    return [
        Example(e.id, e.text, tuple(None if single[k] else v for k, v in enumerate(e.labels)), e.source)
        for e in examples
    ]


def tokenise(tokenizer: Tokenizer, examples: Iterable[Example], max_length: int) -> list[list[int]]:
    """Token ids of each example, `[CLS]` … `[SEP]`, cut at `max_length` (training only: serving uses windows)."""
    cls, sep = special_token(tokenizer, "[CLS]"), special_token(tokenizer, "[SEP]")
    texts = [normalise(example.text).text for example in examples]
    return [[cls, *ids[: max_length - 2], sep] for ids in encode(tokenizer, texts)]
