"""Logs: one renderer for our own events and the libraries'; JSON for machines, plain lines on a terminal.

Callers log positions (topic, partition, offset), counts and names. Never a post's text, and never local variables.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

CHATTY = ("aiokafka",)


def configure(level: str = "INFO", fmt: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logs of at least `level` to `stream` (default stderr); calling again replaces what was set.

    `fmt` is json, console or auto (console where `stream` is a terminal). Times are UTC, ISO 8601. aiokafka is heard
    from WARNING on; where `level` is DEBUG from INFO on, never lower: there it logs whole records and passwords.
    """
    out = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    json = fmt == "json" or (fmt == "auto" and not out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json() if json else _console(colors=out.isatty())),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    for name in CHATTY:
        quietest = logging.INFO if level == "DEBUG" else logging.WARNING
        logging.getLogger(name).setLevel(max(quietest, logging.getLevelNamesMapping()[level]))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _json() -> list[Processor]:
    # Local variables may hold posts: structlog would show them by default.
    exceptions = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [exceptions, structlog.processors.JSONRenderer()]


def _console(*, colors: bool) -> list[Processor]:
    # Where rich is installed, the default formatter shows local variables.
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
