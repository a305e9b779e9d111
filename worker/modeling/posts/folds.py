"""Parts of the training posts, so that each post has a teacher that never saw it.

A teacher asked about the posts it was trained on repeats their labels: its doubts, which a student learns most from, are
gone. With two teachers, each trained without one half, every post is scored by the one that did not see it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer

from worker.modeling.posts.examples import Example
from worker.modeling.posts.pairs import SIMILAR

_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Fold:
    """The one of so many parts that a training left out. `digests`: by source, of which labelled post is in which part."""

    part: int
    of: int
    digests: dict[str, str]


def parts_of(examples: Sequence[Example], of: int) -> tuple[dict[str, str], list[int | None]]:
    """Digests as in Fold, and the part of each post: None of those that bear no label, which belong to none."""
    labelled = [example for example in examples if example.labelled]
    own = iter(folds_of(labelled, of))
    parts = [next(own) if example.labelled else None for example in examples]
    named: dict[str, list[str]] = {}
    for example, part in zip(examples, parts, strict=True):
        if part is not None:
            named.setdefault(example.source, []).append(f"{example.id} {part}")
    digests = {source: hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() for source, lines in named.items()}
    return digests, parts


def folds_of(examples: Sequence[Example], folds: int) -> list[int]:
    """The part each post belongs to, by a hash: the same in whatever order files are read.

    Posts of a source that are near-twins (by their words, or because one names the other as its `pair`) share a part: a
    teacher that learnt a post's twin, often of the other label, did see it.
    """
    groups = _groups(examples)
    names: dict[int, str] = {}
    for example, group in zip(examples, groups, strict=True):
        name = f"{example.source}/{example.id}"
        names[group] = min(names.get(group, name), name)
    parts = {group: _hash(name) % folds for group, name in names.items()}
    return [parts[group] for group in groups]


def _groups(examples: Sequence[Example]) -> list[int]:
    links = [link for source in dict.fromkeys(e.source for e in examples) for link in _links(examples, source)]
    left, right = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(len(examples), len(examples)))
    _, found = connected_components(graph, directed=False)
    groups: list[int] = found.tolist()
    return groups


def _links(examples: Sequence[Example], source: str) -> Iterator[tuple[int, int]]:
    members = [i for i, e in enumerate(examples) if e.source == source]
    by_id = {examples[i].id: i for i in members}
    for i in members:
        twin = examples[i].pair
        if twin in by_id:
            yield i, by_id[twin]
    try:
        words = CountVectorizer(binary=True, token_pattern=r"\w+", dtype=np.float32)  # noqa: S106 - no secret
        table = words.fit_transform(examples[i].text for i in members)
    except ValueError:  # no post of the source holds a word
        return
    for row, column in _alike(csr_array(table)):
        yield members[row], members[column]


def _alike(table: csr_array) -> Iterator[tuple[int, int]]:
    """Pairs of rows whose sets of words have a Jaccard similarity of at least SIMILAR."""
    sizes = np.asarray(table.sum(axis=1)).ravel()
    turned = table.T.tocsr()
    for start in range(0, table.shape[0], _CHUNK):
        common = (table[start : start + _CHUNK] @ turned).tocoo()
        rows = common.row + start
        either = sizes[rows] + sizes[common.col] - common.data
        near = (common.data >= SIMILAR * either) & (rows < common.col)
        yield from zip(rows[near].tolist(), common.col[near].tolist(), strict=True)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
