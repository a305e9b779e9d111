"""Near-twins with opposite labels: what a margin loss compares."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from worker.modeling.posts.examples import Example

SIMILAR = 0.6
"""Jaccard similarity of the sets of words from which two posts count as near-twins."""

_CHUNK = 512


def find_pairs(examples: Sequence[Example]) -> list[tuple[int, int]]:
    """Positions of near-twins whose first labels are opposite (1 and 0): each post with its nearest, at most once.

    A post's `pair` names its twin in the same source; the others are found by their words, within their source.
    The post with label 1 comes first.
    """
    found: list[tuple[int, int]] = []
    for source in dict.fromkeys(example.source for example in examples):
        members = [i for i, e in enumerate(examples) if e.source == source and e.labels[0] in (0, 1)]
        named = _named(examples, members)
        paired = {i for pair in named for i in pair}
        found += [*named, *_similar(examples, [i for i in members if i not in paired])]
    return found


def _named(examples: Sequence[Example], members: Sequence[int]) -> list[tuple[int, int]]:
    by_id = {examples[i].id: i for i in members}
    return [
        (i, by_id[twin])
        for i in members
        if (twin := examples[i].pair) in by_id and examples[i].labels[0] == 1 and examples[by_id[twin]].labels[0] == 0
    ]


def _similar(examples: Sequence[Example], members: Sequence[int]) -> list[tuple[int, int]]:
    positive = [i for i in members if examples[i].labels[0] == 1]
    negative = [i for i in members if examples[i].labels[0] == 0]
    if not positive or not negative:
        return []
    words = CountVectorizer(binary=True, token_pattern=r"\w+", dtype=np.float32)  # noqa: S106 - no secret
    try:
        words.fit(examples[i].text for i in members)
    except ValueError:  # no post has a word
        return []
    right = words.transform(examples[i].text for i in negative)
    sizes = np.asarray(right.sum(axis=1)).ravel()
    found: list[tuple[int, int]] = []
    taken: set[int] = set()
    for start in range(0, len(positive), _CHUNK):
        left = words.transform(examples[i].text for i in positive[start : start + _CHUNK])
        common = (left @ right.T).toarray()
        either = np.asarray(left.sum(axis=1)) + sizes - common
        similarity = common / np.maximum(either, 1)
        for row, nearest in enumerate(similarity.argmax(axis=1).tolist()):
            if similarity[row, nearest] >= SIMILAR and nearest not in taken:
                taken.add(nearest)
                found.append((positive[start + row], negative[nearest]))
    return found
