"""Training posts that a development file holds too: figures of posts that were learnt promise too much."""

from collections.abc import Sequence
from pathlib import Path

from worker.modeling.posts.examples import Example, read_unlabelled
from worker.text.normalise import normalise


def without_dev(examples: Sequence[Example], dev: Sequence[Path]) -> list[Example]:
    """The examples whose text is in no file of `dev`; prints how many were left out, if any.

    Texts are compared `folded`, whatever the model's normaliser does: runs that differ in it train on the same posts.
    Raises Fatal where a file cannot be read.
    """
    held_out = {folded(example.text) for path in dev for example in read_unlabelled(path, 0)}
    kept = [example for example in examples if folded(example.text) not in held_out] if held_out else list(examples)
    if len(kept) < len(examples):
        print(f"left out {len(examples) - len(kept):,} training posts that are also in --dev", flush=True)
    return kept


def folded(text: str) -> str:
    """What two copies of a text have in common: NFKC, no invisible characters, one case, single spaces."""
    return " ".join(normalise(text).text.casefold().split())
