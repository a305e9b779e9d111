"""deploy/image/build.sh where there is Docker: what it asks of it, on machines that have a pip and on those that have none."""

import os
import stat
import subprocess
from pathlib import Path

from tests.deploy.rendering import ROOT

DOCKER = """
[ "$1" = info ] && exit
[ "$1" = image ] && { echo 123; exit; }
printf '%s\\n' "$@" >"$SAID"
for argument; do case $argument in id=*,src=*) cat "${argument#*,src=}" >>"$SAID";; esac; done
"""
PIP = "printf \"global.index-url='https://index.example/simple'\\nglobal.cert='%s'\\nglobal.find-links='/wheels'\\n\" \"$CERT\""


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def build(folder: Path, pip: str, **variables: str) -> tuple[str, list[str]]:
    """What the script says, and what Docker is told, the secrets' content behind it."""
    (folder / "bin").mkdir()
    program(folder / "bin", "docker", DOCKER)
    program(folder / "bin", "python3", pip)
    env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "SAID": str(folder / "said"), **variables}
    done = subprocess.run(
        [str(ROOT / "deploy" / "image" / "build.sh")], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, (folder / "said").read_text(encoding="utf-8").splitlines()


def test_pip_is_not_needed_to_build_with_docker(tmp_path: Path) -> None:
    said, told = build(tmp_path, "echo No module named pip >&2; exit 1", TAG="0.1.0")
    assert said == "moderation-worker:0.1.0: 123 bytes\n"
    assert told[0] == "build"
    assert told[told.index("--tag") + 1] == "moderation-worker:0.1.0"
    assert told[-1] == "[global]"  # the secret: nothing is known


def test_how_this_machine_reaches_its_index_is_handed_over_as_secrets(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("an authority\n", encoding="utf-8")
    _, told = build(tmp_path, PIP, CERT=str(authorities), EXTRA="tracing", BASE="python:3.12-slim")
    assert {"BASE=python:3.12-slim", "EXTRA=tracing", f"id=ca.pem,src={authorities}"} <= set(told)
    content = told[told.index("[global]") :]
    assert sorted(content) == sorted(
        ["[global]", "index-url = https://index.example/simple", "cert = /run/secrets/ca.pem", "an authority"]
    )
