"""Logs: one format for us and the libraries, and nothing in them that is not ours to show."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from worker.ops import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.root
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_own_event_is_one_json_object_with_utc_time() -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    structlog.get_logger("worker.test").warning("partition stopped", topic="posts", partition=3, offset=17)
    (line,) = lines(stream)
    written = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
    assert line == {
        "event": "partition stopped",
        "level": "warning",
        "logger": "worker.test",
        "topic": "posts",
        "partition": 3,
        "offset": 17,
    }


def test_library_record_in_the_same_format() -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    logging.getLogger("aiokafka.consumer").warning("lost %s of %d", "two", 3)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("lost two of 3", "warning", "aiokafka.consumer")
    assert line["timestamp"].endswith("Z")


def test_stream_no_terminal_auto_is_json_else_console() -> None:
    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        logs.configure("INFO", "auto", stream)
        structlog.get_logger("worker.test").info("hello")
    assert lines(plain)[0]["event"] == "hello"
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_console_asked_for_without_terminal_has_no_colours() -> None:
    stream = io.StringIO()
    logs.configure("INFO", "console", stream)
    structlog.get_logger("worker.test").info("hello", offset=1)
    assert "hello" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_level_below_setting_is_silent() -> None:
    stream = io.StringIO()
    logs.configure("WARNING", "json", stream)
    structlog.get_logger("worker.test").info("no")
    logging.getLogger("elsewhere").info("no")
    structlog.get_logger("worker.test").error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_kafka_client_chatter_heard_at_debug_alone() -> None:
    for level, heard in (("INFO", ["warning"]), ("DEBUG", ["info", "warning"]), ("INFO", ["warning"]), ("ERROR", [])):
        stream = io.StringIO()
        logs.configure(level, "json", stream)
        logging.getLogger("aiokafka.consumer.group_coordinator").info("info")
        logging.getLogger("aiokafka.consumer.group_coordinator").warning("warning")
        assert [line["event"] for line in lines(stream)] == heard


def test_configured_twice_logs_once() -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    logs.configure("INFO", "json", stream)
    structlog.get_logger("worker.test").info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize("foreign", [True, False])
def test_exception_shows_its_traceback_but_no_local_variables(fmt: str, foreign: bool) -> None:
    stream = io.StringIO()
    logs.configure("INFO", fmt, stream)

    words = ("what the author", "wrote")

    def fail() -> None:
        text = " ".join(words)  # so that the source line, which a traceback shows, does not hold it
        raise RuntimeError("model failed" if text else "")

    try:
        fail()
    except RuntimeError:
        if foreign:
            logging.getLogger("elsewhere").exception("scoring failed")
        else:
            structlog.get_logger("worker.test").exception("scoring failed")
    written = stream.getvalue()
    assert "RuntimeError" in written
    assert "model failed" in written
    assert "what the author wrote" not in written
    if fmt == "json":
        (line,) = lines(stream)
        assert line["exception"][0]["exc_type"] == "RuntimeError"


def test_python_warning_becomes_a_log_line() -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old call", DeprecationWarning, stacklevel=1)
    assert lines(stream)[0]["logger"] == "py.warnings"
