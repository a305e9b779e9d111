"""Why a broker cannot be reached, in words that name the setting to change."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from worker.core.errors import Fatal, Transient
from worker.kafka import tokens

OTHER_HOST = {62, 64}
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
NOT_NOW = {9, 10}
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


async def explain(error: Exception, connection: Mapping[str, Any]) -> Transient | Fatal:
    """Say what is wrong with a connection: Fatal for what only a change of settings or of the broker can mend.

    aiokafka only logs why it could not connect, so the first server is tried once more. Nothing is ever tried with
    less security than the settings ask for.
    """
    servers = connection["bootstrap_servers"]
    host, _, port = servers.split(",")[0].strip().rpartition(":")
    arguments = {name: value for name, value in connection.items() if name != "bootstrap_servers"}
    try:
        probe = await create_conn(host, int(port), **arguments)
        probe.close()
    except (KafkaError, OSError, TimeoutError) as refused:
        error = refused
    for cause in _causes(error):
        if (what := _refusal(cause, connection)) is not None:
            return Fatal(f"{servers}: {what} ({_short(cause)})")
    return Transient(
        f"no broker answers at {servers}: check MODERATION_BOOTSTRAP_SERVERS, and MODERATION_SECURITY_PROTOCOL"
        f" ({connection.get('security_protocol', 'PLAINTEXT')}): {type(error).__name__}: {error}"
    )


def lost_permission(error: BaseException | None, outputs: Sequence[str]) -> str:
    """What to grant where publishing to one of `outputs` was denied, else nothing."""
    for cause in _causes(error):
        match cause:
            case TopicAuthorizationFailedError() if any(repr(topic) in repr(cause) for topic in outputs):
                return ": grant Write on MODERATION_OUTPUT_TOPIC and MODERATION_DEAD_LETTER_TOPIC (docs/security.md)"
            case TransactionalIdAuthorizationFailed():
                return (
                    ": grant Write and Describe on transactional ids prefixed by MODERATION_GROUP_ID (docs/security.md)"
                )
    return ""


def _refusal(error: BaseException, connection: Mapping[str, Any]) -> str | None:
    match error:
        case AuthenticationFailedError() | SaslAuthenticationFailed() | UnsupportedSaslMechanismError():
            given = "MODERATION_SASL_USERNAME, MODERATION_SASL_PASSWORD"
            if connection.get("sasl_mechanism") == "OAUTHBEARER":
                given = tokens.VARIABLE
            return f"the login was refused: check {given} and MODERATION_SASL_MECHANISM"
        case ssl.SSLCertVerificationError(verify_code=code):
            return _untrusted(code)
        case ssl.SSLError(reason=str(reason)) if "ALERT" in reason:
            return (
                "the broker refused the TLS connection: is MODERATION_SSL_CERTIFICATE_FILE missing, expired, or signed by"
                " an authority that the broker does not trust?"
            )
        case ssl.SSLError():
            return "no TLS connection: check MODERATION_SECURITY_PROTOCOL and the port in MODERATION_BOOTSTRAP_SERVERS"
    return None


def _untrusted(code: int) -> str:
    if code in OTHER_HOST:
        return (
            "the broker's certificate is for another host: name the broker in MODERATION_BOOTSTRAP_SERVERS as its"
            " certificate does, or, where it names none, set MODERATION_SSL_CHECK_HOSTNAME=false"
        )
    if code in NOT_NOW:
        return "the broker's certificate is not valid now: renew it, or that of MODERATION_SSL_CA_FILE"
    return "the broker's certificate is signed by nobody trusted: check MODERATION_SSL_CA_FILE"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _short(error: BaseException) -> str:
    text = str(error)
    return text if isinstance(error, ssl.SSLError) else text.removeprefix(f"{type(error).__name__}: ")
