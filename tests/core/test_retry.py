import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.retry import Backoff

seconds = st.floats(0, 1e6, allow_subnormal=False)
almost_one = 1 - 2**-53


@given(st.integers(0, 10**9), seconds, st.floats(0, 1, exclude_max=True), seconds, seconds, seconds)
def test_any_delay_keeps_to_its_ceiling_and_to_the_deadline(
    attempt: int, elapsed: float, jitter: float, base: float, cap: float, deadline: float
) -> None:
    delay = Backoff(base, cap, deadline).delay(attempt, elapsed, lambda: jitter)
    if elapsed >= deadline:
        assert delay is None
    else:
        assert delay is not None
        assert 0 <= delay <= cap
        assert elapsed + delay <= deadline * (1 + 1e-9)
        assert delay <= base * 2.0 ** min(attempt, 60)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base=1.0, cap=5.0, deadline=100.0)
    assert [backoff.delay(n, 0.0, lambda: almost_one) for n in range(5)] == pytest.approx([1, 2, 4, 5, 5])


def test_jitter_spreads_over_all_of_the_ceiling() -> None:
    backoff = Backoff(base=1.0, cap=8.0, deadline=100.0)
    assert [backoff.delay(2, 0.0, lambda jitter=j: jitter) for j in (0.0, 0.25, 0.5)] == [0, 1, 2]  # type: ignore[misc]
