"""Settings that come from files or guard the connection: secret files, passwords, TLS."""

import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.settings import Settings, kafka_security, load
from worker.settings.allowed import is_secret
from worker.settings.rotation import RotatingContext

BROKER = {"MODERATION_BOOTSTRAP_SERVERS": "kafka:9092"}
SASL = {
    **BROKER,
    "MODERATION_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "MODERATION_SASL_USERNAME": "worker",
    "MODERATION_SASL_PASSWORD": "hunter2",
}
TLS = Path(__file__).parent / "tls"


def problems(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(Fatal) as caught:
        load({**BROKER, **environ})
    return str(caught.value).splitlines()[1:]


# Secret files


def test_mounted_secrets_are_read_as_kubernetes_lays_them_out(tmp_path: Path) -> None:
    version = tmp_path / "..2026_01_01"
    version.mkdir()
    (version / "MODERATION_SASL_PASSWORD").write_text("from-file\n")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "MODERATION_SASL_PASSWORD").symlink_to("..data/MODERATION_SASL_PASSWORD")
    environ = {name: value for name, value in SASL.items() if name != "MODERATION_SASL_PASSWORD"}
    settings = load({**environ, "MODERATION_SECRETS_DIR": str(tmp_path)})
    assert settings.sasl_password is not None
    assert settings.sasl_password.get_secret_value() == "from-file"


def test_variable_and_secret_file_variable_wins(tmp_path: Path) -> None:
    (tmp_path / "MODERATION_GROUP_ID").write_text("from-file")
    (tmp_path / "MODERATION_CLIENT_ID").write_text("")
    environ = {**BROKER, "MODERATION_SECRETS_DIR": str(tmp_path), "MODERATION_GROUP_ID": "from-variable"}
    settings = load(environ)
    assert (settings.group_id, settings.client_id) == ("from-variable", "moderation-worker")
    assert load({**environ, "MODERATION_GROUP_ID": ""}).group_id == "from-file"


def test_misspelt_secret_file_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "MODERATION_SASL_PASWORD").write_text("x")
    (tmp_path / "unrelated").write_text("x")
    assert problems({"MODERATION_SECRETS_DIR": str(tmp_path)}) == [
        "MODERATION_SASL_PASWORD: is no setting; did you mean MODERATION_SASL_PASSWORD?"
    ]


def test_secrets_directory_missing_or_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "absent", tmp_path / "file"):
        assert problems({"MODERATION_SECRETS_DIR": str(path)}) == [
            f"MODERATION_SECRETS_DIR={path}: must be a readable directory of secret files (no such directory)"
        ]


def test_secret_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "MODERATION_SASL_PASSWORD").mkdir()
    assert problems({"MODERATION_SECRETS_DIR": str(tmp_path)})[0].startswith("MODERATION_SECRETS_DIR=")
    (tmp_path / "MODERATION_SASL_PASSWORD").rmdir()
    (tmp_path / "MODERATION_SASL_PASSWORD").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in problems({"MODERATION_SECRETS_DIR": str(tmp_path)})[0]


def test_secrets_are_never_shown() -> None:
    settings = load(SASL)
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    secret = {name for name, field in Settings.model_fields.items() if is_secret(field)}
    assert secret == {"sasl_password", "ssl_key_password"}


def test_help_shows_no_value_of_the_environment() -> None:
    command = [sys.executable, "-m", "worker", "run", "--help"]
    done = subprocess.run(command, env={**os.environ, **SASL}, capture_output=True, text=True, timeout=60, check=True)
    assert "MODERATION_SASL_PASSWORD" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


# Security arguments


def test_plaintext_kafka_gets_no_context_and_no_login() -> None:
    assert kafka_security(load(BROKER)) == {"security_protocol": "PLAINTEXT"}


def test_sasl_login_is_handed_over() -> None:
    assert kafka_security(load({**SASL, "MODERATION_SASL_MECHANISM": "scram-sha-512"})) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": "hunter2",
    }


def tls(**files: str | Path) -> Settings:
    return Settings(security_protocol="SSL", **files)  # type: ignore[arg-type]


def context_of(settings: Settings) -> ssl.SSLContext:
    """The context that the next connection is made with."""
    context = kafka_security(settings)["ssl_context"]
    assert isinstance(context, RotatingContext)
    return context.current


def test_tls_verifies_the_broker_and_presents_the_certificate() -> None:
    files = {"ssl_ca_file": TLS / "certificate.pem", "ssl_certificate_file": TLS / "certificate.pem"}
    context = context_of(tls(**files, ssl_key_file=TLS / "key.pem"))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert [ca["subject"] for ca in context.get_ca_certs()] == [((("commonName", "moderation-worker-tests"),),)]
    unnamed = context_of(Settings(security_protocol="SSL", ssl_check_hostname=False))
    assert not unnamed.check_hostname
    assert unnamed.verify_mode is ssl.CERT_REQUIRED


def test_encrypted_key_opens_with_its_password_alone() -> None:
    files = {"ssl_certificate_file": TLS / "certificate.pem", "ssl_key_file": TLS / "encrypted_key.pem"}
    assert "ssl_context" in kafka_security(tls(**files, ssl_key_password="open-sesame"))  # noqa: S106
    with pytest.raises(Fatal, match=r"MODERATION_SSL_KEY_PASSWORD: is required, the private key is encrypted"):
        kafka_security(tls(**files))
    with pytest.raises(Fatal, match=r"MODERATION_SSL_KEY_PASSWORD"):
        kafka_security(tls(**files, ssl_key_password="wrong"))  # noqa: S106


def test_tls_file_missing_or_of_another_kind_message_names_the_variable(tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    certificate = TLS / "certificate.pem"
    with pytest.raises(Fatal, match=r"MODERATION_SSL_CA_FILE=.*absent.*: cannot be read"):
        kafka_security(tls(ssl_ca_file=tmp_path / "absent"))
    with pytest.raises(Fatal, match=r"MODERATION_SSL_CA_FILE=.*must hold PEM certificates"):
        kafka_security(tls(ssl_ca_file=text))
    with pytest.raises(Fatal, match=r"MODERATION_SSL_CERTIFICATE_FILE=.*MODERATION_SSL_KEY_FILE"):
        kafka_security(tls(ssl_certificate_file=certificate))
    with pytest.raises(Fatal, match=r"MODERATION_SSL_KEY_FILE=.*absent.*: cannot be read"):
        kafka_security(tls(ssl_certificate_file=certificate, ssl_key_file=tmp_path / "absent"))


# Tokens


TOKEN = {
    "MODERATION_SECURITY_PROTOCOL": "SASL_SSL",
    "MODERATION_SASL_MECHANISM": "oauthbearer",
    "MODERATION_OAUTH_TOKEN_FILE": "/run/token",
}


def test_oauthbearer_takes_a_token_file_and_no_password() -> None:
    assert kafka_security(load({**BROKER, **TOKEN})).keys() == {"security_protocol", "ssl_context", "sasl_mechanism"}
    assert problems({**TOKEN, "MODERATION_OAUTH_TOKEN_FILE": "", "MODERATION_SASL_PASSWORD": "hunter2"}) == [
        "MODERATION_SASL_PASSWORD: is set, but MODERATION_SASL_MECHANISM=OAUTHBEARER does not use it",
        "MODERATION_OAUTH_TOKEN_FILE: is required with MODERATION_SECURITY_PROTOCOL=SASL_SSL and OAUTHBEARER",
    ]


def test_token_file_without_oauthbearer_is_refused() -> None:
    assert problems({**SASL, "MODERATION_OAUTH_TOKEN_FILE": "/run/token"}) == [
        "MODERATION_OAUTH_TOKEN_FILE: is set, but MODERATION_SASL_MECHANISM=PLAIN does not use it"
    ]
    [problem] = problems({"MODERATION_SASL_MECHANISM": "OAUTHBEARER"})
    assert "MODERATION_SECURITY_PROTOCOL=PLAINTEXT does not use it; did you mean SASL_SSL?" in problem


def test_a_token_is_never_sent_unencrypted() -> None:
    [problem] = problems({**TOKEN, "MODERATION_SECURITY_PROTOCOL": "SASL_PLAINTEXT"})
    assert "would show the token to the network" in problem
