"""Certificates replaced while a client runs: its next connection presents the new ones, or the former if unusable."""

import os
import ssl
import uuid
from pathlib import Path

import pytest

from tests.broker.test_security import _closed_connections  # noqa: F401 - used by itself
from tests.broker.ways import encrypted
from tests.harness.certificates import Authority, Pair
from tests.harness.secure import SecureKafka
from worker.core.errors import Fatal
from worker.kafka.cluster import inspect
from worker.settings import load
from worker.wiring import connection

pytestmark = pytest.mark.broker


def put(folder: Path, pair: Pair, authority: Path) -> None:
    """Replace the mounted files at once, as Kubernetes does: a new folder behind one link."""
    version = folder / f"..{uuid.uuid4().hex}"
    version.mkdir()
    for name, source in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", authority)):
        (version / name).write_bytes(source.read_bytes())
    (folder / "..next").symlink_to(version.name)
    (folder / "..next").rename(folder / "..data")


def mounted(folder: Path) -> dict[str, str]:
    names = {"SSL_CERTIFICATE_FILE": "tls.crt", "SSL_KEY_FILE": "tls.key", "SSL_CA_FILE": "ca.crt"}
    return {f"MODERATION_{variable}": str(folder / "..data" / name) for variable, name in names.items()}


async def test_a_rotated_certificate_is_presented_by_the_next_connection(
    secure_kafka: SecureKafka, tmp_path: Path
) -> None:
    authority = secure_kafka.authority
    put(tmp_path, authority.issue("worker", days=-1), authority.certificate)
    arguments = connection(load({**encrypted(secure_kafka, "MTLS"), **mounted(tmp_path)}))
    with pytest.raises(Fatal, match="MODERATION_SSL_CERTIFICATE_FILE"):
        await inspect(arguments, ())
    put(tmp_path, authority.issue("worker"), authority.certificate)
    await inspect(arguments, ())


async def test_an_authority_taken_away_is_trusted_no_more(secure_kafka: SecureKafka, tmp_path: Path) -> None:
    authority, worker = secure_kafka.authority, secure_kafka.authority.issue("worker")
    other = tmp_path / "other"
    other.mkdir()
    put(tmp_path, worker, authority.certificate)
    arguments = connection(load({**encrypted(secure_kafka, "MTLS"), **mounted(tmp_path)}))
    await inspect(arguments, ())
    put(tmp_path, worker, Authority(other).certificate)
    with pytest.raises(Fatal, match="MODERATION_SSL_CA_FILE"):
        await inspect(arguments, ())


async def test_files_that_cannot_be_used_leave_the_former_in_place(secure_kafka: SecureKafka, tmp_path: Path) -> None:
    authority, worker = secure_kafka.authority, secure_kafka.authority.issue("worker")
    put(tmp_path, worker, authority.certificate)
    arguments = connection(load({**encrypted(secure_kafka, "MTLS"), **mounted(tmp_path)}))
    half = authority.issue("another")
    put(tmp_path, Pair(half.certificate, worker.key), authority.certificate)
    await inspect(arguments, ())
    (tmp_path / "..data").unlink()
    await inspect(arguments, ())
    put(tmp_path, worker, authority.certificate)
    await inspect(arguments, ())


def test_the_context_verifies_the_broker_after_a_rotation_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    environ = {"MODERATION_BOOTSTRAP_SERVERS": "kafka:9092", "MODERATION_SECURITY_PROTOCOL": "SSL"}
    context = connection(load({**environ, "MODERATION_SSL_CA_FILE": str(authority.certificate)}))["ssl_context"]
    before = context.current
    os.utime(authority.certificate, ns=(1, 1))
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="kafka")
    assert context.current is not before
    assert context.current.verify_mode is ssl.CERT_REQUIRED
    assert context.current.check_hostname
