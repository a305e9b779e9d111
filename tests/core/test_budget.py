from hypothesis import given
from hypothesis import strategies as st

from worker.core.budget import Budget

sizes = st.lists(st.integers(0, 1000), max_size=50)


@given(st.integers(1, 20), st.integers(1, 5000), sizes)
def test_records_taken_leave_room_for_the_rest_and_none_once_a_limit_is_reached(
    posts: int, size: int, taken: list[int]
) -> None:
    budget = Budget(posts, size)
    for each in taken:
        budget.take(each)
    full = len(taken) >= posts or sum(taken) >= size
    assert budget.room() == (0 if full else posts - len(taken))


@given(sizes)
def test_what_was_taken_and_given_back_leaves_nothing(taken: list[int]) -> None:
    budget = Budget(10, 10)
    for each in taken:
        budget.take(each)
    for each in reversed(taken):
        budget.give(each)
    assert (budget.posts, budget.bytes, budget.room()) == (0, 0, 10)
