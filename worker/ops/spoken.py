"""Metrics of a running worker, which also write the log lines that an operator must not miss."""

import structlog

from worker.core.breaker import Cause, State
from worker.ops.metrics import Metrics

log = structlog.get_logger(__name__)

_OPENED = {
    Cause.FAILING: "the model or the worker itself fails too often (MODERATION_BREAKER_RATIO), so intake is paused:"
    " roll out a bundle or version that works, and redrive the dead letters",
    Cause.UNREADABLE: "nearly no record is a post (MODERATION_BREAKER_UNREADABLE_RATIO), so intake is paused: mend the"
    " producer, or say where the fields are (MODERATION_FIELD_ID, MODERATION_FIELD_TEXT,"
    " MODERATION_SCHEMA_REGISTRY_HEADER)",
}
_WAITING = (
    "nothing is dropped, and a few records are tried after MODERATION_BREAKER_COOL_DOWN_SECONDS."
    " MODERATION_BREAKER=false lets such records through to the dead-letter topic"
)


class SpokenMetrics(Metrics):
    """Metrics, and the log of the breaker."""

    def breaker(self, state: State, cause: Cause, last: str) -> None:
        """See Observer."""
        super().breaker(state, cause, last)
        match state:
            case State.OPEN:
                log.error(_OPENED[cause], to_do=_WAITING, cause=cause.value, last=last)
            case State.HALF_OPEN:
                log.info("trying a few records after the breaker's cool-down", cause=cause.value)
            case State.CLOSED:
                log.info("the breaker is closed: intake goes on", cause=cause.value)
