"""As long again as a coordinator was not ready, its word on commits is doubted."""

import pytest

from worker.kafka.loading import APART_SECONDS, MOST_SECONDS, NOT_READY, Loading, loading_of

LOADING, NO_COORDINATOR, NOT_COORDINATOR, ILLEGAL_GENERATION = 14, 15, 16, 22


def heard(*answers: tuple[float, int], now: float) -> float:
    at = [0.0]
    loading = Loading(lambda: at[0])
    for at[0], code in answers:
        loading.heard(code)
    at[0] = now
    return loading.doubtful_seconds()


def test_what_says_that_a_coordinator_is_not_ready() -> None:
    assert {LOADING, NO_COORDINATOR, NOT_COORDINATOR} == NOT_READY


@pytest.mark.parametrize(("now", "doubtful"), [(7.0, 4.0), (9.0, 2.0), (11.0, 0.0), (50.0, 0.0)])
def test_doubt_lasts_as_long_again_as_the_loading(now: float, doubtful: float) -> None:
    assert heard((3.0, LOADING), (5.0, NOT_COORDINATOR), (7.0, LOADING), now=now) == doubtful


def test_without_a_refusal_there_is_no_doubt() -> None:
    assert heard(now=1.0) == 0.0
    assert heard((1.0, 0), (5.0, ILLEGAL_GENERATION), now=5.0) == 0.0


def test_what_is_far_apart_is_another_loading() -> None:
    later = 1.0 + APART_SECONDS + 1
    assert heard((1.0, LOADING), (later, LOADING), (later + 2, LOADING), now=later + 2) == 2.0


def test_doubt_is_bounded() -> None:
    answers = [(float(second), LOADING) for second in range(int(2 * MOST_SECONDS))]
    assert heard(*answers, now=answers[-1][0]) == MOST_SECONDS


def test_each_consumer_has_its_own() -> None:
    class Coordinator: ...

    one, other = Coordinator(), Coordinator()
    assert loading_of(one) is loading_of(one) is not loading_of(other)
