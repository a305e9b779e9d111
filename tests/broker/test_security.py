"""Every secure way to a real broker works, and every wrong one ends with an error that says what to change."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.broker.conftest import Names
from tests.broker.scene import made_up_posts, scene
from tests.broker.ways import WAYS, certificate, encrypted, login, password, way
from tests.harness.certificates import Authority
from tests.harness.secure import SecureKafka, token
from worker.core.errors import Fatal, Transient
from worker.kafka.cluster import inspect
from worker.settings import load
from worker.wiring import connection

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
async def _closed_connections() -> AsyncIterator[None]:
    """A TLS connection takes a moment to close, and aiokafka does not wait for those that failed."""
    yield
    open_ones = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        while any(not transport.is_closing() or transport._sock is not None for transport in open_ones.values()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def connect(environ: Mapping[str, str]) -> None:
    await inspect(connection(load({"MODERATION_REQUEST_TIMEOUT_SECONDS": "10", **environ})), ())


async def refused(environ: Mapping[str, str], *named: str) -> str:
    """The message with which these settings are refused for good; it names `named` and shows no secret."""
    with pytest.raises(Fatal) as caught:
        await connect(environ)
    message = str(caught.value)
    assert [name for name in named if name not in message] == [], message
    assert "guessed" not in message
    return message


@pytest.mark.parametrize("name", WAYS)
async def test_posts_become_verdicts_over_each_secure_way(
    secure_kafka: SecureKafka, topics: Names, tmp_path: Path, name: str
) -> None:
    async with scene(secure_kafka, topics, tmp_path, partitions=1) as stage:
        sent = await stage.produce(made_up_posts(20))
        worker = stage.worker("a", way(secure_kafka, name, tmp_path))
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert report.failures == []
    assert report.posts == sent
    assert secure_kafka.password not in worker.tail(1_000_000)
    assert "eyJ" not in worker.tail(1_000_000)  # how a token begins


async def test_a_broker_of_an_unknown_authority_is_refused(secure_kafka: SecureKafka, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").certificate
    await refused({**encrypted(secure_kafka, "TLS"), "MODERATION_SSL_CA_FILE": str(other)}, "MODERATION_SSL_CA_FILE")


async def test_a_broker_of_another_name_is_refused_unless_names_are_not_checked(secure_kafka: SecureKafka) -> None:
    stranger = encrypted(secure_kafka, "STRANGER")
    await refused(stranger, "another host", "MODERATION_BOOTSTRAP_SERVERS", "MODERATION_SSL_CHECK_HOSTNAME")
    await connect({**stranger, "MODERATION_SSL_CHECK_HOSTNAME": "false"})


async def test_a_missing_or_expired_or_unknown_client_certificate_is_refused(
    secure_kafka: SecureKafka, tmp_path: Path
) -> None:
    mutual = encrypted(secure_kafka, "MTLS")
    expired = secure_kafka.authority.issue("expired", days=-1)
    unknown = Authority(tmp_path, "other").issue("unknown")
    for given in ({}, certificate(expired), certificate(unknown)):
        await refused({**mutual, **given}, "MODERATION_SSL_CERTIFICATE_FILE", "expired")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_refused_and_not_shown(secure_kafka: SecureKafka, mechanism: str) -> None:
    wrong = password(secure_kafka.username, "guessed")
    await refused({**login(secure_kafka, mechanism), **wrong}, "MODERATION_SASL_USERNAME", "MODERATION_SASL_PASSWORD")


async def test_a_mechanism_that_the_broker_lacks_is_refused(secure_kafka: SecureKafka) -> None:
    known = password(secure_kafka.username, secure_kafka.password)
    await refused({**login(secure_kafka, "SCRAM-SHA-256"), **known}, "MODERATION_SASL_MECHANISM")


async def test_a_token_expired_or_missing_or_malformed_is_refused_and_not_shown(
    secure_kafka: SecureKafka, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    environ = {**login(secure_kafka, "OAUTHBEARER"), "MODERATION_OAUTH_TOKEN_FILE": str(file)}
    await refused(environ, f"MODERATION_OAUTH_TOKEN_FILE={file}: cannot be read")
    file.write_text("two guessed words")
    await refused(environ, f"MODERATION_OAUTH_TOKEN_FILE={file}: must hold one bearer token")
    file.write_text(expired := token(secure_kafka.username, seconds=-600))
    message = await refused(environ, "check MODERATION_OAUTH_TOKEN_FILE", "invalid_token")
    assert expired not in message


async def test_a_refreshed_token_is_read_without_a_restart(secure_kafka: SecureKafka, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token(secure_kafka.username, seconds=-600))
    environ = {**login(secure_kafka, "OAUTHBEARER"), "MODERATION_OAUTH_TOKEN_FILE": str(file)}
    arguments = connection(load(environ))
    with pytest.raises(Fatal):
        await inspect(arguments, ())
    file.write_text(token(secure_kafka.username))
    await inspect(arguments, ())


@pytest.mark.parametrize("listener", ["TLS", "MTLS", "LOGIN"])
async def test_plain_text_to_an_encrypted_listener_never_connects(secure_kafka: SecureKafka, listener: str) -> None:
    with pytest.raises(Transient, match=r"MODERATION_SECURITY_PROTOCOL \(PLAINTEXT\)"):
        await connect({"MODERATION_BOOTSTRAP_SERVERS": secure_kafka.address(listener)})


@pytest.mark.parametrize("name", WAYS)
async def test_no_secure_way_falls_back_to_plain_text(secure_kafka: SecureKafka, tmp_path: Path, name: str) -> None:
    plain = {"MODERATION_BOOTSTRAP_SERVERS": secure_kafka.bootstrap}
    with pytest.raises((Transient, Fatal), match=re.escape("MODERATION_SECURITY_PROTOCOL")):
        await connect({**way(secure_kafka, name, tmp_path), **plain})
