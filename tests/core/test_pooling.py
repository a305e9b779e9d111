import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.pooling import pool

windows = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)


@given(windows)
def test_what_any_window_says_is_said_by_the_post(scores: list[tuple[float, float]]) -> None:
    assert pool(scores) == (max(a for a, _ in scores), max(b for _, b in scores))


@given(windows, st.randoms(use_true_random=False))
def test_the_order_of_windows_makes_no_difference(scores: list[tuple[float, float]], chance: object) -> None:
    shuffled = list(scores)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pool(shuffled) == pool(scores)


def test_windows_with_different_numbers_of_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        pool([(0.1, 0.2), (0.3,)])
