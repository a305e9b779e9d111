import hashlib

import pytest

from worker.modeling.posts.examples import Example
from worker.modeling.posts.halves import half_of, only


def examples(count: int) -> list[Example]:
    return [Example(f"post-{number}", "", (1.0,), "made-up") for number in range(count)]


@pytest.mark.parametrize(
    ("post_id", "half"),
    [("a1", "report"), ("a2", "selection"), ("한국어", "selection"), ("", "report"), ("post-0", "selection")],
)
def test_half_of_an_id_is_the_same_for_ever(post_id: str, half: str) -> None:
    assert half_of(post_id) == half
    assert (half_of(post_id) == "selection") is (int(hashlib.sha256(post_id.encode()).hexdigest()[:2], 16) % 2 == 0)


def test_halves_share_no_post_and_lose_none() -> None:
    posts = examples(2000)
    selection, report = only(posts, "selection"), only(posts, "report")
    assert not set(selection) & set(report)
    assert set(selection) | set(report) == set(posts)
    assert only(posts, "all") == posts
    assert 900 < len(selection) < 1100


def test_half_keeps_the_order_of_its_posts() -> None:
    numbers = [int(post.id.removeprefix("post-")) for post in only(examples(100), "report")]
    assert numbers == sorted(numbers)
