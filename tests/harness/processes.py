"""A child process that cannot outlive its parent, however the parent ends."""

import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Guarded:
    """A running process in a session of its own, killed when this process ends: normally, by a signal or by kill -9.

    A small shell holds the other end of a pipe of ours and kills the process's group when that pipe closes. (Linux'
    parent-death signal would do for less, but it follows the thread that started the child, and threads end earlier.)
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -KILL "-$0"', str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status (negative: the signal's number), or None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; nothing happens where it has ended."""
        self._process.send_signal(number)

    def limit(self, which: int, size: int | None) -> None:
        """Lower the limit `which` (resource.RLIMIT_...) of the running process to `size` bytes; None: lift it again."""
        _, hard = resource.prlimit(self._process.pid, which)
        resource.prlimit(self._process.pid, which, (hard if size is None else size, hard))

    def terminate(self, timeout: float) -> int:
        """SIGTERM, wait up to `timeout` seconds, then kill -9. Returns the exit status."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        return self.wait(timeout)

    def wait(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for it to end, then kill -9. Returns the exit status."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self._release()

    def kill(self) -> int:
        """Kill -9, with whatever it started. Returns the exit status."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        self._release()
        return status

    def _release(self) -> None:
        # The guard goes before the process id can be given to somebody else.
        self._guard.kill()
        self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
