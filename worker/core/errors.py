"""The three kinds of failure, and the closed list of reasons a record can be rejected for."""

from enum import StrEnum

from worker.core.types import PostRef


class Reason(StrEnum):
    """Why a record cannot become an ordinary verdict. Values are stable: they appear in topics and metrics."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    DUPLICATE_KEY = "duplicate_key"
    SCHEMA = "schema"
    EMPTY_TEXT = "empty_text"
    NO_SCORABLE_TEXT = "no_scorable_text"
    TEXT_TOO_LONG = "text_too_long"
    RECORD_TOO_LARGE = "record_too_large"
    NO_REGISTRY_HEADER = "no_registry_header"
    TOMBSTONE_WITHOUT_KEY = "tombstone_without_key"
    MODEL_FAILED = "model_failed"
    INTERNAL = "internal"
    EXPIRED = "expired"  # of a verdict alone: the record was good, only too old to be worth scoring


class Rejected(Exception):  # noqa: N818 - a word of the domain
    """This record can never become an ordinary verdict: dead-letter it and go on.

    `detail` is for operators and never holds text of the post. `post` names the post where its id could be
    read; such a record also gets a `review` verdict, so that an author gains nothing by being unreadable.
    """

    def __init__(self, reason: Reason, detail: str, post: PostRef | None = None) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.post = post


class Transient(Exception):  # noqa: N818
    """The outside world failed in a way that may pass: retry on a bounded schedule, then treat as Fatal."""


class Fatal(Exception):  # noqa: N818
    """The worker cannot go on: stop without committing. The message tells the operator what to change."""
