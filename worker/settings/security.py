"""TLS and login for Kafka, as the keyword arguments that every aiokafka client takes."""

import ssl
from pathlib import Path
from typing import NoReturn, TypedDict

from worker.core.errors import Fatal
from worker.settings.allowed import variable
from worker.settings.fields import SecurityProtocol, Settings
from worker.settings.rotation import RotatingContext


class KafkaSecurity(TypedDict, total=False):
    """Arguments shared by aiokafka's consumer, producer and admin client; OAUTHBEARER needs a token provider beside."""

    security_protocol: SecurityProtocol
    ssl_context: ssl.SSLContext
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str


def kafka_security(settings: Settings) -> KafkaSecurity:
    """Build the security arguments; raises Fatal naming the variable whose file cannot be used."""
    security = KafkaSecurity(security_protocol=settings.security_protocol)
    if settings.security_protocol.endswith("SSL"):
        files = (settings.ssl_ca_file, settings.ssl_certificate_file, settings.ssl_key_file)
        security["ssl_context"] = RotatingContext(lambda: _context(settings), filter(None, files))
    if settings.sasl_mechanism == "OAUTHBEARER" and settings.security_protocol.startswith("SASL"):
        security["sasl_mechanism"] = settings.sasl_mechanism
    elif settings.sasl_username is not None and settings.sasl_password is not None:
        security["sasl_mechanism"] = settings.sasl_mechanism
        security["sasl_plain_username"] = settings.sasl_username
        security["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return security


def _context(settings: Settings) -> ssl.SSLContext:
    for field in ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file"):
        _readable(field, getattr(settings, field))
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_file)
    except OSError as error:
        raise _unusable("ssl_ca_file", settings.ssl_ca_file, "must hold PEM certificates", error) from error
    context.check_hostname = settings.ssl_check_hostname
    certificate = settings.ssl_certificate_file
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, settings.ssl_key_file, _key_password(settings))
        except OSError as error:  # an SSLError, or a file that went away since
            wanted = (
                f"must be a PEM certificate with its key ({variable('ssl_key_file')}, {variable('ssl_key_password')})"
            )
            raise _unusable("ssl_certificate_file", certificate, wanted, error) from error
    return context


def _key_password(settings: Settings) -> "str | _Ask":
    return settings.ssl_key_password.get_secret_value() if settings.ssl_key_password else _Ask()


class _Ask:
    """Called by OpenSSL for an encrypted key: without it OpenSSL would ask on the terminal and hang."""

    def __call__(self) -> NoReturn:
        raise Fatal(f"{variable('ssl_key_password')}: is required, the private key is encrypted")


def _readable(field: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.read_bytes()
    except OSError as error:
        raise Fatal(f"{variable(field)}={path}: cannot be read ({error.strerror})") from error


def _unusable(field: str, path: Path | None, wanted: str, error: OSError) -> Fatal:
    return Fatal(f"{variable(field)}={path}: {wanted}; {getattr(error, 'reason', None) or error}")
