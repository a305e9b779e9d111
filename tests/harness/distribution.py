"""Kafka's jars: resolved once with Maven from pom.xml, then taken from a cache in the checkout."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache"
RESOLVE_SECONDS = 240.0
"""A cold Maven repository takes about ten seconds; a slow mirror may take a few minutes."""


class HarnessError(Exception):
    """The broker for the tests cannot run. The message says what to install or where to look."""


def java() -> Path:
    """The Java to run Kafka with: JAVA_HOME's, else the first on the PATH. Raises HarnessError where there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(str(Path(home) / "bin" / "java")) if home else shutil.which("java")
    if found is None:
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        raise HarnessError(f"The broker tests need Java 17 or newer; there is none {where}. Install it: make ci-tools")
    return Path(found)


def jars(pom: Path = POM, cache: Path = CACHE) -> Path:
    """The folder of Kafka's jars, resolved if need be. Safe where several processes ask at once.

    Raises HarnessError where Maven is missing or cannot resolve them.
    """
    text = pom.read_bytes()
    version = ET.fromstring(text).findtext(".//{*}kafka.version")  # noqa: S314 - our own file
    home = cache / f"kafka-{version}-{hashlib.sha256(text).hexdigest()[:12]}"
    folder = home / "lib"
    if not folder.is_dir():
        _resolve(pom, home)
    return folder


def _resolve(pom: Path, home: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise HarnessError(
            "The broker tests fetch Apache Kafka with Maven; there is no mvn on the PATH. Install it: make ci-tools"
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    # Resolved aside and renamed whole: a reader never sees half a cache, and of two writers the first wins.
    aside = Path(tempfile.mkdtemp(prefix=f".{home.name}.", dir=home.parent))
    try:
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={aside / 'lib'}"]
        try:
            done = subprocess.run(
                [maven, "-q", "-B", "-f", str(pom), *goal],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=RESOLVE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise HarnessError(f"Maven did not resolve Apache Kafka within {RESOLVE_SECONDS:.0f} s") from error
        if done.returncode != 0:
            raise HarnessError(f"Maven could not resolve Apache Kafka from {pom}:\n{done.stdout[-2000:]}")
        try:
            aside.rename(home)
        except OSError:
            if not (home / "lib").is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
