"""The image, built as `make image` does without an engine, and run as Kubernetes would: its user, nothing to write, no network.

Needs root, and Debian's buildah and mmdebstrap (`make ci-tools`).
"""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.deploy.rendering import ROOT

STORE = ROOT / ".cache" / "containers"
ARCHIVE = ROOT / "build" / "moderation-worker.oci.tar"
BUILD_SECONDS = 900
"""A cold cache on a slow mirror: Debian's packages for the base, then the wheels."""


class Image:
    """A built image, mounted. `extra`: what is installed beside serving. `close` unmounts it."""

    def __init__(self, extra: str = "") -> None:
        tag = "-".join(filter(None, ("tested", extra)))
        script, name = ROOT / "deploy" / "image" / "build.sh", f"localhost/moderation-worker:{tag}"
        self.said = _run([str(script)], BUILD_SECONDS, ENGINE="buildah", TAG=tag, EXTRA=extra)
        self.archived = ARCHIVE.stat().st_size
        self.config: dict[str, Any] = json.loads(_buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
        self.container = _buildah("from", name)
        self.root = Path(_buildah("mount", self.container))

    def close(self) -> None:
        """Give the mounted copy back."""
        _buildah("rm", self.container)

    def command(
        self, *arguments: str, network: bool = False, env: dict[str, str] | None = None, program: str = ""
    ) -> list[str]:
        """What starts a container with these arguments (the image's own without any), as the only process of its namespace.

        `program` stands in for the image's own.
        """
        inside = [*([program] if program else self.config["Entrypoint"]), *(arguments or self.config["Cmd"])]
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in (env or {}).items())]
        script = f"""
            set -e
            mount --bind {self.root} {self.root}
            mount -o remount,bind,ro {self.root}
            mount -t proc proc {self.root}/proc
            mount --bind /dev {self.root}/dev
            cd {self.root}
            exec env -i {shlex.join(variables)} {_which("setpriv")} --no-new-privs \
                {_which("chroot")} --userspec={self.config["User"]} --groups= {self.root} {shlex.join(inside)}
        """
        namespaces = ["--mount", "--pid", "--uts", "--ipc", *([] if network else ["--net"])]
        return ["unshare", *namespaces, "--fork", "--kill-child", "sh", "-c", script]


def _which(program: str) -> str:
    return _run(["which", program], 10).strip()


def _buildah(*arguments: str) -> str:
    store = ["--root", str(STORE / "root"), "--runroot", str(STORE / "run"), "--storage-driver", "vfs"]
    return _run(["buildah", *store, *arguments], 120).strip()


def _run(command: list[str], seconds: float, **variables: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, env=os.environ | variables
    )
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} failed (needs root, buildah and mmdebstrap: make ci-tools)\n{done.stderr}")
    return done.stdout
