"""The breaker as a machine: when it opens, that it never lets more than a trial in, and that it always comes back."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.breaker import BUCKETS, Breaker, BreakerRule, Cause, Evidence, State, evidence
from worker.core.errors import Reason

RULE = BreakerRule(minimum=20, window=60.0, cool_down=30.0, probe=5)
BAD = {Cause.FAILING: Evidence.FAILING, Cause.UNREADABLE: Evidence.UNREADABLE}

kinds = st.sampled_from(Evidence)
steps = st.lists(st.tuples(st.floats(0, 20), kinds), max_size=200)


def opened(cause: Cause, rule: BreakerRule = RULE) -> Breaker:
    """A breaker that opened at time 0."""
    breaker = Breaker(rule)
    for _ in range(rule.minimum):
        breaker.note(BAD[cause], 0.0)
    assert (breaker.state, breaker.cause) == (State.OPEN, cause)
    return breaker


def half_opened(cause: Cause) -> Breaker:
    breaker = opened(cause)
    assert breaker.allowance(1000, 0, RULE.cool_down) == RULE.probe
    assert breaker.state is State.HALF_OPEN
    return breaker


def test_reasons_that_an_author_can_cause_never_count() -> None:
    never = {
        Reason.EMPTY_TEXT,
        Reason.NO_SCORABLE_TEXT,
        Reason.TEXT_TOO_LONG,
        Reason.RECORD_TOO_LARGE,
        Reason.TOMBSTONE_WITHOUT_KEY,
        Reason.EXPIRED,
    }
    assert {reason for reason in Reason if evidence(reason) is Evidence.AUTHORS} == never
    assert {reason for reason in Reason if evidence(reason) is Evidence.FAILING} == {
        Reason.MODEL_FAILED,
        Reason.INTERNAL,
    }


@given(steps)
def test_while_closed_everything_in_the_room_is_allowed_and_opening_takes_a_minimum_of_bad_records(
    found: list[tuple[float, Evidence]],
) -> None:
    breaker, now = Breaker(RULE), 0.0
    seen: list[tuple[float, Evidence]] = []
    for wait, kind in found:
        assert breaker.allowance(500, 3, now) == 500
        now += wait
        breaker.note(kind, now)
        seen.append((now, kind))
        if breaker.state is State.OPEN:
            break
    recent = [kind for when, kind in seen if when > now - RULE.window]
    bad = {cause: recent.count(kind) for cause, kind in BAD.items()}
    if breaker.cause is not None:
        assert len(recent) >= RULE.minimum
        assert bad[breaker.cause] >= RULE.failing_ratio * RULE.minimum


@given(st.lists(kinds, max_size=200))
def test_within_one_window_it_opens_exactly_when_a_share_is_reached(found: list[Evidence]) -> None:
    breaker = Breaker(RULE)
    for n, kind in enumerate(found, start=1):
        breaker.note(kind, 0.0)
        counts = {each: found[:n].count(each) for each in Evidence}
        asked = counts[Evidence.SCORED] + counts[Evidence.FAILING]
        failing = asked >= RULE.minimum and counts[Evidence.FAILING] / asked >= RULE.failing_ratio
        unreadable = n >= RULE.minimum and counts[Evidence.UNREADABLE] / n >= RULE.unreadable_ratio
        assert (breaker.state is State.OPEN) == (failing or unreadable)
        if failing or unreadable:
            return


def test_records_older_than_the_window_no_longer_count() -> None:
    breaker = Breaker(RULE)
    step = RULE.window / BUCKETS
    for n in range(RULE.minimum * 10):  # never 20 within a window
        breaker.note(Evidence.FAILING, n * step)
    assert breaker.cause is None
    for _ in range(RULE.minimum):
        breaker.note(Evidence.FAILING, 1e6)
    assert breaker.state is State.OPEN


def test_a_few_readable_posts_among_many_records_that_are_none_keep_it_closed() -> None:
    breaker = Breaker(RULE)
    for n in range(1000):
        breaker.note(Evidence.AUTHORS if n % 10 == 0 else Evidence.UNREADABLE, 0.0)
    assert breaker.state is State.CLOSED


def test_a_failing_model_opens_it_however_many_records_no_model_is_asked_about() -> None:
    breaker = Breaker(RULE)
    for _ in range(RULE.minimum):
        for _ in range(5):
            breaker.note(Evidence.AUTHORS, 0.0)
        breaker.note(Evidence.FAILING, 0.0)
    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.FAILING)


@pytest.mark.parametrize("cause", Cause)
def test_open_it_allows_nothing_until_the_cool_down_is_over(cause: Cause) -> None:
    breaker = opened(cause)
    for kind in Evidence:
        breaker.note(kind, 1.0)  # of records that were in flight
    assert breaker.allowance(1000, 0, RULE.cool_down - 0.001) == 0
    assert breaker.allowance(1000, 0, RULE.cool_down) == RULE.probe


@pytest.mark.parametrize("cause", Cause)
def test_a_trial_that_fails_opens_it_for_another_cool_down(cause: Cause) -> None:
    breaker = half_opened(cause)
    for _ in range(RULE.probe):
        breaker.note(BAD[cause], 31.0)
    assert breaker.state is State.OPEN
    assert breaker.allowance(1000, 0, 31.0 + RULE.cool_down - 0.001) == 0
    assert breaker.allowance(1000, 0, 31.0 + RULE.cool_down) == RULE.probe


@pytest.mark.parametrize("cause", Cause)
def test_a_trial_that_goes_well_closes_it_and_what_was_bad_before_is_forgotten(cause: Cause) -> None:
    breaker = half_opened(cause)
    for _ in range(RULE.probe):
        breaker.note(Evidence.SCORED, 31.0)
    assert breaker.state is State.CLOSED
    for _ in range(RULE.minimum - 1):
        breaker.note(BAD[cause], 31.0)
    assert breaker.state is State.CLOSED


def test_records_that_say_nothing_about_the_model_do_not_end_its_trial() -> None:
    breaker = half_opened(Cause.FAILING)
    for _ in range(100):
        breaker.note(Evidence.AUTHORS, 31.0)
    assert breaker.state is State.HALF_OPEN
    assert breaker.allowance(1000, 0, 31.0) == RULE.probe


def test_records_that_were_lost_in_a_rebalance_are_made_up_for() -> None:
    breaker = half_opened(Cause.FAILING)
    assert breaker.allowance(1000, RULE.probe, 31.0) == 0
    assert breaker.allowance(1000, 2, 31.0) == RULE.probe - 2


@given(st.sampled_from(Cause), st.lists(st.tuples(st.integers(0, 9), kinds), max_size=100))
def test_half_open_no_more_than_a_trial_is_ever_out(cause: Cause, found: list[tuple[int, Evidence]]) -> None:
    breaker = half_opened(cause)
    in_flight = 0
    for room, kind in found:
        in_flight += breaker.allowance(room, in_flight, 31.0)
        assert in_flight <= RULE.probe
        if in_flight and breaker.state is State.HALF_OPEN:
            in_flight -= 1
            breaker.note(kind, 31.0)
        if breaker.state is not State.HALF_OPEN:
            return


@given(steps)
def test_once_all_is_well_it_closes_within_a_cool_down_and_a_trial(found: list[tuple[float, Evidence]]) -> None:
    breaker, now = Breaker(RULE), 0.0
    for wait, kind in found:
        now += wait
        breaker.allowance(1, 0, now)
        breaker.note(kind, now)
    now += RULE.cool_down
    for _ in range(RULE.probe):
        assert breaker.allowance(1, 0, now) == 1
        breaker.note(Evidence.SCORED, now)
    assert breaker.state is State.CLOSED


@given(steps)
def test_states_follow_each_other_in_order(found: list[tuple[float, Evidence]]) -> None:
    breaker, now = Breaker(RULE), 0.0
    states = [breaker.state]
    for wait, kind in found:
        now += wait
        breaker.allowance(1, 0, now)
        states.append(breaker.state)
        breaker.note(kind, now)
        states.append(breaker.state)
    legal = {
        (State.CLOSED, State.OPEN),
        (State.OPEN, State.HALF_OPEN),
        (State.HALF_OPEN, State.OPEN),
        (State.HALF_OPEN, State.CLOSED),
    }
    assert {(one, other) for one, other in pairwise(states) if one is not other} <= legal
