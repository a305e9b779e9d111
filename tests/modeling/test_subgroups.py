import pytest

from worker.modeling.posts.subgroups import TERMS, groups_in, mentions


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("My Muslim neighbours and two JEWISH friends", {"muslims", "jews"}),
        ("black  women vote", {"black", "women"}),
        ("a black dog, a white shirt, an old bridge, jewel, mental, transport, commence", set()),
        ("immigrants, migrants; asylum-seekers!", {"immigrants"}),
        ("non-binary and trans people of the LGBTQ+ choir", {"trans", "gay"}),
        ("", set()),
    ],
)
def test_text_names_these_groups_and_no_others(text: str, groups: set[str]) -> None:
    assert groups_in(text) == groups


def test_mention_points_at_the_very_words() -> None:
    text = "😀 black women and an African-American"
    found = [(mention.group, text[mention.start : mention.end]) for mention in mentions(text)]
    assert found == [("black", "black women"), ("women", "women"), ("black", "African-American")]


def test_every_group_is_found_by_each_of_its_plain_terms() -> None:
    plain = [(group, term) for group, terms in TERMS.items() for term in terms if term.replace(" ", "").isalpha()]
    assert len(plain) > 15
    assert all(group in groups_in(f"so, {term}.") for group, term in plain)
