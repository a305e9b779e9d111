"""No loss, no early commit, order, and no repeat where nothing went wrong: whatever happens, in any order.

A failure names its seed; `simulate(seed, scenario)` runs it again, step for step.
"""

import pytest

from tests.simulation.world import EVERYTHING, SCALING, Scenario, simulate

BLOCK = 25


@pytest.mark.parametrize("first", range(0, 250, BLOCK))
def test_whatever_goes_wrong_nothing_is_lost_or_committed_early_and_order_is_kept(first: int) -> None:
    assert problems(first, EVERYTHING) == {}


@pytest.mark.parametrize("first", range(0, 100, BLOCK))
def test_workers_that_come_and_go_in_an_orderly_way_cause_no_repeat_either(first: int) -> None:
    assert problems(first, SCALING) == {}


@pytest.mark.parametrize("scenario", [SCALING, EVERYTHING])
def test_equal_seeds_make_equal_runs(scenario: Scenario) -> None:
    assert simulate(7, scenario) == simulate(7, scenario)
    assert simulate(7, scenario)[1] != simulate(8, scenario)[1]


def problems(first: int, scenario: Scenario) -> dict[int, list[str]]:
    """For each seed of a block what it found, if anything."""
    found = {seed: simulate(seed, scenario)[0] for seed in range(first, first + BLOCK)}
    return {seed: problem for seed, problem in found.items() if problem}
