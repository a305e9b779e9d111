import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.pooling import pool

ROWS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6)


@given(ROWS)
def test_each_label_takes_its_highest_window_whatever_their_order(
    rows: list[tuple[float, float]],
) -> None:
    pooled = pool(rows)
    assert pooled == (max(row[0] for row in rows), max(row[1] for row in rows))
    assert pool(rows[::-1]) == pooled


def test_no_windows_have_no_score() -> None:
    with pytest.raises(ValueError, match="window"):
        pool([])


def test_rows_of_unlike_length_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        pool([(0.1, 0.2), (0.3,)])
