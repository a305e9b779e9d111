"""What the log says of the breaker: the reason, the setting and what to do."""

import pytest
from structlog.testing import capture_logs

from worker.core.breaker import Cause, State
from worker.ops.spoken import SpokenMetrics

LAST = "model_failed: the model raised RuntimeError"


@pytest.mark.parametrize(
    ("cause", "setting"),
    [(Cause.FAILING, "MODERATION_BREAKER_RATIO"), (Cause.UNREADABLE, "MODERATION_BREAKER_UNREADABLE_RATIO")],
)
def test_a_breaker_that_opens_is_an_error_that_names_reason_setting_and_remedy(cause: Cause, setting: str) -> None:
    with capture_logs() as logged:
        SpokenMetrics().breaker(State.OPEN, cause, LAST)
    [line] = logged
    assert (line["log_level"], line["cause"], line["last"]) == ("error", cause.value, LAST)
    assert setting in line["event"]
    assert "MODERATION_BREAKER=false" in line["to_do"]


def test_a_breaker_that_closes_is_information() -> None:
    with capture_logs() as logged:
        SpokenMetrics().breaker(State.HALF_OPEN, Cause.FAILING, LAST)
        SpokenMetrics().breaker(State.CLOSED, Cause.FAILING, LAST)
    assert [line["log_level"] for line in logged] == ["info", "info"]
    assert "closed" in logged[-1]["event"]


def test_states_and_openings_are_counted() -> None:
    metrics = SpokenMetrics()

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert value("moderation_breaker_state") == 0
    assert value("moderation_breaker_openings_total", cause="unreadable") == 0
    with capture_logs():
        for state in (State.OPEN, State.HALF_OPEN, State.OPEN):
            metrics.breaker(state, Cause.FAILING, LAST)
        assert value("moderation_breaker_state") == 2
        assert value("moderation_breaker_openings_total", cause="failing") == 2
        metrics.breaker(State.HALF_OPEN, Cause.FAILING, LAST)
        assert value("moderation_breaker_state") == 1
        metrics.breaker(State.CLOSED, Cause.FAILING, LAST)
    assert value("moderation_breaker_state") == 0
    assert value("moderation_breaker_openings_total", cause="unreadable") == 0
