"""Workers as operators run them: processes of their own, told what to do by their environment."""

import os
import resource
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from load_tests.watch import Names
from tests.harness.kafka import free_ports
from tests.harness.processes import Guarded

ROOT = Path(__file__).parents[1]
DEFAULT_COMMAND = shlex.join([sys.executable, "-m", "worker", "run"])
SESSION_TIMEOUT_SECONDS = 6
STOP_SECONDS = 45.0
"""More than the worker's own bound on draining."""


class Worker:
    """One worker that can be started, killed and stopped. A context manager: killed on exit."""

    def __init__(
        self,
        name: str,
        bootstrap: str,
        names: Names,
        folder: Path,
        *,
        command: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = shlex.split(command)
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._env = {
            **os.environ,
            "MODERATION_BOOTSTRAP_SERVERS": bootstrap,
            "MODERATION_INPUT_TOPIC": names.input,
            "MODERATION_OUTPUT_TOPIC": names.output,
            "MODERATION_DEAD_LETTER_TOPIC": names.dead_letter,
            "MODERATION_GROUP_ID": names.group,
            "MODERATION_CLIENT_ID": name,
            "MODERATION_HTTP_HOST": "127.0.0.1",
            "MODERATION_HTTP_PORT": str(port),
            "MODERATION_SCORING_THREADS": "1",
            "MODERATION_SESSION_TIMEOUT_SECONDS": str(SESSION_TIMEOUT_SECONDS),
            "MODERATION_LOG_FORMAT": "json",
            **(env or {}),
        }
        self._process: Guarded | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._process = Guarded(self._command, self.log, env=self._env, cwd=ROOT)

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: silent, but not gone; the group gives it up after its session."""
        if self._process is not None:
            self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was, not knowing what it missed."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def fill_disk(self, *, full: bool) -> None:
        """Let every write to a file fail, as on a full disk: its log is the only one. Or let them succeed again."""
        if self._process is not None:
            self._process.limit(resource.RLIMIT_FSIZE, 1 if full else None)

    def starve(self, *, hungry: bool) -> None:
        """Give it no more memory than it has now, so that allocations fail; or as much as it likes again."""
        if self._process is not None:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[0])
            self._process.limit(resource.RLIMIT_AS, pages * resource.getpagesize() if hungry else None)

    def ended(self) -> int | None:
        """The exit status of a worker that ended by itself; None where it runs or was killed by us."""
        return None if self._process is None else self._process.poll()

    def terminate(self) -> None:
        """Send SIGTERM; `wait` tells how it ended."""
        if self._process is not None:
            self._process.signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end after SIGTERM; killed when it takes too long. Returns the exit status."""
        if self._process is None:
            return -signal.SIGKILL
        status = self._process.wait(STOP_SECONDS)
        self._process = None
        return status

    def tail(self, size: int = 3000) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-size:] if self.log.exists() else ""
