from worker.modeling.posts.examples import Example
from worker.modeling.posts.pairs import find_pairs


def post(name: str, text: str, hate: float | None, source: str = "dynahate", pair: str | None = None) -> Example:
    return Example(name, text, (hate, None), source, pair)


def test_near_twins_of_opposite_label_are_found_hateful_first() -> None:
    posts = [
        post("a", "the sun shines on the green hill today", 0),
        post("b", "nobody likes that loud brown dog", 1),
        post("c", "the sun never shines on the green hill today", 1),
        post("d", "the sun shines on the green hill today again", 1),
    ]
    assert find_pairs(posts) in ([(2, 0)], [(3, 0)])


def test_posts_of_other_sources_or_soft_labels_are_no_twins() -> None:
    text = "the sun shines on the green hill today"
    assert find_pairs([post("a", text, 0), post("b", text, 1, "other"), post("c", text, 0.5)]) == []


def test_named_twins_are_taken_by_their_names() -> None:
    posts = [post("a", "x", 1, "made", "b"), post("b", "y", 0, "made", "a"), post("c", "z", 1, "made", "nobody")]
    assert find_pairs(posts) == [(0, 1)]
