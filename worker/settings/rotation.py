"""A TLS context that follows its files: each new connection is made with the certificates that lie there then."""

import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import structlog

from worker.core.errors import Fatal

log = structlog.get_logger(__name__)


class RotatingContext(ssl.SSLContext):
    """Implements what asyncio asks of a context, `wrap_bio`, with a context of the files as they are.

    A context that has loaded an authority cannot forget it, so a changed file means a new one. Files that cannot be
    used (half written, or a certificate without its key yet) leave the former context in place, with a warning, and
    are tried again at the next connection: old certificates, never less security.
    """

    def __new__(cls, *_arguments: object) -> Self:
        """An unused context of its own, only to be one for type checks."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, build: Callable[[], ssl.SSLContext], files: Iterable[Path]) -> None:
        """`build` makes a context of `files`; what it raises (Fatal) is raised here, but not later."""
        super().__init__()
        self._build = build
        self._files = tuple(files)
        self._seen = self._state()
        self.current = build()

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection; called for each one, on the event loop."""
        state = self._state()
        if state != self._seen:
            try:
                self.current = self._build()
            except Fatal as error:
                log.warning("new TLS files cannot be used yet, going on with the former", error=str(error))
            else:
                self._seen = state
                log.info("TLS files changed: read again")
        return self.current.wrap_bio(*arguments, **named)

    def _state(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
