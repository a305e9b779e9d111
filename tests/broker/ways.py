"""The settings for each secure way to a `SecureKafka`."""

from pathlib import Path

from tests.harness.certificates import Pair
from tests.harness.secure import SecureKafka, token

WAYS = ("TLS", "MTLS", "PLAIN", "SCRAM-SHA-512", "OAUTHBEARER")


def way(kafka: SecureKafka, name: str, folder: Path) -> dict[str, str]:
    """MODERATION_* variables that connect in this way (one of WAYS); `folder` is for files of their own."""
    if name in {"TLS", "MTLS"}:
        found = encrypted(kafka, name)
        return found | certificate(kafka.authority.issue("worker")) if name == "MTLS" else found
    if name == "OAUTHBEARER":
        file = folder / "token"
        file.write_text(token(kafka.username) + "\n", encoding="ascii")
        return login(kafka, name) | {"MODERATION_OAUTH_TOKEN_FILE": str(file)}
    return login(kafka, name) | password(kafka.username, kafka.password)


def encrypted(kafka: SecureKafka, listener: str) -> dict[str, str]:
    return {
        "MODERATION_BOOTSTRAP_SERVERS": kafka.address(listener),
        "MODERATION_SECURITY_PROTOCOL": "SSL",
        "MODERATION_SSL_CA_FILE": str(kafka.authority.certificate),
    }


def login(kafka: SecureKafka, mechanism: str) -> dict[str, str]:
    protocol = {"MODERATION_SECURITY_PROTOCOL": "SASL_SSL", "MODERATION_SASL_MECHANISM": mechanism}
    return encrypted(kafka, "LOGIN") | protocol


def password(name: str, secret: str) -> dict[str, str]:
    return {"MODERATION_SASL_USERNAME": name, "MODERATION_SASL_PASSWORD": secret}


def certificate(pair: Pair) -> dict[str, str]:
    return {
        "MODERATION_SSL_CERTIFICATE_FILE": str(pair.certificate),
        "MODERATION_SSL_KEY_FILE": str(pair.key),
    }
