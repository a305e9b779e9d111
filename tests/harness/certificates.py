"""Certificates of a test: an authority of its own, and what it signs, made with the openssl command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.harness.distribution import HarnessError

CURVE = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
DAYS = 30


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its private key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in `folder`. Raises HarnessError where openssl is missing or fails."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        request = ("req", "-x509", "-newkey", *CURVE, "-nodes", "-subj", f"/CN={name}", "-days", str(DAYS))
        uses = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        _openssl(*request, *uses, "-keyout", str(self._pair.key), "-out", str(self._pair.certificate))

    @property
    def certificate(self) -> Path:
        """What clients and brokers have to trust."""
        return self._pair.certificate

    def issue(self, name: str, *, hosts: str = "", days: int = DAYS) -> Pair:
        """A certificate for the subject `CN=name`, with alternative names such as `DNS:a,IP:1.2.3.4`.

        `days` -1: expired yesterday. A name issued before is replaced.
        """
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={hosts}\n" if hosts else "basicConstraints=CA:FALSE\n")
        _openssl(
            *("req", "-newkey", *CURVE, "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(pair.key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-days", str(days), "-extfile", str(extensions)),
            *("-CA", str(self._pair.certificate), "-CAkey", str(self._pair.key), "-CAcreateserial"),
            *("-out", str(pair.certificate)),
        )
        return pair

    def store(self, pair: Pair, password: str) -> Path:
        """The pair as a PKCS #12 file, beside its certificate."""
        file = pair.certificate.with_suffix(".p12")
        made = (
            "-in",
            str(pair.certificate),
            "-inkey",
            str(pair.key),
            "-out",
            str(file),
            "-passout",
            f"pass:{password}",
        )
        _openssl("pkcs12", "-export", *made)
        return file


def _openssl(*arguments: str) -> None:
    if shutil.which("openssl") is None:
        raise HarnessError("The tests of TLS make certificates with openssl; it is not on the PATH. Install it")
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise HarnessError(f"openssl {arguments[0]} failed:\n{done.stderr}")
