from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.text.windows import windows

CLS, SEP = -1, -2


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int]:
    max_length = draw(st.integers(3, 40))
    overlap = draw(st.integers(0, max_length - 3))
    return draw(st.integers(1, 300)), max_length, overlap


@given(cases())
def test_any_length_is_covered_in_order_within_the_maximum(case: tuple[int, int, int]) -> None:
    count, max_length, overlap = case
    ids = list(range(count))
    found = windows(ids, cls=CLS, sep=SEP, max_length=max_length, overlap=overlap)
    bodies = [list(window[1:-1]) for window in found]

    assert all(window[0] == CLS and window[-1] == SEP and len(window) <= max_length for window in found)
    assert all(body == list(range(body[0], body[-1] + 1)) for body in bodies)
    assert (bodies[0][0], bodies[-1][-1]) == (0, count - 1)
    for left, right in pairwise(bodies):
        assert left[0] < right[0]
        assert left[-1] - right[0] + 1 >= overlap
    for left, right in pairwise(bodies[:-1]):
        assert left[-1] - right[0] + 1 == overlap


@given(cases())
def test_a_long_text_has_only_full_windows_and_no_more_than_needed(case: tuple[int, int, int]) -> None:
    count, max_length, overlap = case
    room = max_length - 2
    found = windows(range(count), cls=CLS, sep=SEP, max_length=max_length, overlap=overlap)
    if count <= room:
        assert len(found) == 1
    else:
        assert all(len(window) == max_length for window in found)
        assert len(found) == 1 + -(-(count - room) // (room - overlap))


def test_no_tokens_make_no_windows() -> None:
    assert windows([], cls=CLS, sep=SEP, max_length=8, overlap=2) == ()


def test_a_text_of_exactly_the_maximum_is_one_window() -> None:
    one = windows([1, 2, 3], cls=CLS, sep=SEP, max_length=5, overlap=1)
    assert list(map(list, one)) == [[CLS, 1, 2, 3, SEP]]
    two = windows([1, 2, 3, 4], cls=CLS, sep=SEP, max_length=5, overlap=1)
    assert list(map(list, two)) == [[CLS, 1, 2, 3, SEP], [CLS, 2, 3, 4, SEP]]


@pytest.mark.parametrize(("max_length", "overlap"), [(2, 0), (10, 8), (10, -1)])
def test_windows_that_cannot_advance_are_refused(max_length: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="cannot advance"):
        windows([1], cls=CLS, sep=SEP, max_length=max_length, overlap=overlap)
