from hypothesis import given
from hypothesis import strategies as st

from worker.core.batching import LOOK_AHEAD, plan

lengths = st.lists(st.integers(1, 256), min_size=1, max_size=LOOK_AHEAD + 20)
budgets = st.integers(1, 2048)


def cost(waiting: list[int], chosen: list[int]) -> int:
    return len(chosen) * max(waiting[i] for i in chosen)


def test_nothing_waiting_is_no_batch() -> None:
    assert plan([], 512) == []


@given(lengths, budgets)
def test_any_batch_holds_the_oldest_window_once_and_only_windows_within_the_look_ahead(
    waiting: list[int], budget: int
) -> None:
    chosen = plan(waiting, budget)
    assert 0 in chosen
    assert len(set(chosen)) == len(chosen)
    assert all(0 <= i < min(len(waiting), LOOK_AHEAD) for i in chosen)


@given(lengths, budgets)
def test_any_batch_of_more_than_the_oldest_window_keeps_to_the_padded_budget(waiting: list[int], budget: int) -> None:
    chosen = plan(waiting, budget)
    assert chosen == [0] or cost(waiting, chosen) <= budget


@given(lengths, budgets)
def test_a_window_is_left_out_only_where_none_would_fit(waiting: list[int], budget: int) -> None:
    chosen = plan(waiting, budget)
    left_out = set(range(min(len(waiting), LOOK_AHEAD))) - set(chosen)
    # The cheapest one to add is no longer than the batch's longest, or the next longer one.
    assert all(cost(waiting, [*chosen, i]) > budget for i in left_out)


@given(lengths, budgets)
def test_no_window_is_left_out_between_two_of_the_batch_in_length(waiting: list[int], budget: int) -> None:
    chosen = plan(waiting, budget)
    shortest, longest = min(waiting[i] for i in chosen), max(waiting[i] for i in chosen)
    left_out = set(range(min(len(waiting), LOOK_AHEAD))) - set(chosen)
    assert not [i for i in left_out if shortest < waiting[i] < longest]


@given(st.lists(st.integers(1, 64), max_size=300), st.integers(64, 512))
def test_batch_after_batch_every_window_is_taken_once_and_none_is_overtaken_for_ever(
    waiting: list[int], budget: int
) -> None:
    queue = list(enumerate(waiting))
    taken: list[int] = []
    while queue:
        chosen = set(plan([length for _, length in queue], budget))
        taken += [queue[i][0] for i in sorted(chosen)]
        queue = [item for i, item in enumerate(queue) if i not in chosen]
    assert sorted(taken) == list(range(len(waiting)))


def test_windows_of_other_lengths_are_left_for_a_batch_of_their_own() -> None:
    assert sorted(plan([10, 200, 11, 190, 9], 64)) == [0, 2, 4]
