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


def test_posts_without_a_name_are_paired_by_their_words_beside_named_twins() -> None:
    text = "the sun shines on the green hill today"
    named = [post("a", "x y", 1, pair="b"), post("b", "x z", 0, pair="a")]
    assert find_pairs([*named, post("c", text, 0), post("d", text + " again", 1)]) == [(0, 1), (3, 2)]


def test_posts_without_a_word_are_no_twins() -> None:
    assert find_pairs([post("a", "!", 0), post("b", "?!", 1)]) == []
