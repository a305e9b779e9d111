"""Folds: by a hash, and never between a post and its twin."""

import random

from worker.modeling.posts.examples import Example
from worker.modeling.posts.folds import folds_of

WORDS = [f"w{n}" for n in range(200)]


def posts() -> list[Example]:
    draw = random.Random(0)
    found = []
    for n in range(60):
        words = draw.sample(WORDS, 9)
        found.append(Example(f"{n}", " ".join(words), (1.0,), "forum"))
        found.append(Example(f"{n}-twin", " ".join([*words[:8], "never"]), (0.0,), "forum"))
        found.append(Example(f"spelling-{n}", f"d1sgu1sed {n}", (1.0,), "forum", pair=f"{n}"))
        found.append(Example(f"{n}", " ".join(words), (1.0,), "other"))
    return found


def test_twins_and_copies_share_a_fold_and_sources_do_not() -> None:
    examples = posts()
    parts = folds_of(examples, 2)
    by_key = {(e.source, e.id): part for e, part in zip(examples, parts, strict=True)}
    for n in range(60):
        assert by_key["forum", f"{n}"] == by_key["forum", f"{n}-twin"] == by_key["forum", f"spelling-{n}"]
    assert any(by_key["forum", f"{n}"] != by_key["other", f"{n}"] for n in range(60))
    assert 0.3 < sum(parts) / len(parts) < 0.7


def test_order_of_posts_changes_no_fold() -> None:
    examples = posts()
    parts = dict(zip(map(id, examples), folds_of(examples, 3), strict=True))
    random.Random(1).shuffle(examples)
    assert folds_of(examples, 3) == [parts[id(e)] for e in examples]


def test_posts_without_words_have_folds() -> None:
    assert len(folds_of([Example("a", "!!!", (1.0,), "s"), Example("b", "", (0.0,), "s")], 2)) == 2
    assert folds_of([], 2) == []
