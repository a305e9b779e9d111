"""What the cluster says about the topics, before the first record is read."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from worker.core.errors import Fatal, Transient


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the brokers describe it. `max_message_bytes` None: not known (no permission, or an old broker)."""

    partitions: int
    max_message_bytes: int | None


async def inspect(connection: Mapping[str, Any], topics: Iterable[str]) -> dict[str, TopicFacts | None]:
    """Describe topics; None for one that does not exist.

    Raises Transient where no broker answers, Fatal where one refuses the login or the topic.
    """
    admin = AIOKafkaAdminClient(**connection)
    try:
        try:
            await admin.start()
            # Not describe_topics(): asking by name creates a missing topic where brokers are set to allow it.
            response = await admin._send_request(MetadataRequest(list(topics), allow_auto_topic_creation=False))  # noqa: SLF001
            described = response.to_object()["topics"]
        except (KafkaError, OSError) as error:
            raise await _explain(error, connection) from error
        return {topic["topic"]: await _facts(admin, topic) for topic in described}
    finally:
        await admin.close()


async def _facts(admin: AIOKafkaAdminClient, topic: Mapping[str, Any]) -> TopicFacts | None:
    if topic["error_code"] == 3:  # UNKNOWN_TOPIC_OR_PARTITION
        return None
    if topic["error_code"]:
        error = for_code(topic["error_code"])
        raise Fatal(f"topic {topic['topic']}: {error.__name__}: grant this worker access to it, or name another topic")
    return TopicFacts(len(topic["partitions"]), await _max_message_bytes(admin, topic["topic"]))


async def _max_message_bytes(admin: AIOKafkaAdminClient, topic: str) -> int | None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": ""})
    try:
        responses = await admin.describe_configs([resource])
    except (KafkaError, OSError):
        return None
    for response in responses:
        for error_code, _message, _type, _name, entries in response.resources:
            for entry in entries if not error_code else ():
                if entry[0] == "max.message.bytes":
                    return int(entry[1])
    return None


async def _explain(error: Exception, connection: Mapping[str, Any]) -> Transient | Fatal:
    """Say what is wrong with the connection. aiokafka only logs why bootstrapping failed, so it is tried once more."""
    servers = connection["bootstrap_servers"]
    host, _, port = servers.split(",")[0].strip().rpartition(":")
    arguments = {name: value for name, value in connection.items() if name != "bootstrap_servers"}
    try:
        probe = await create_conn(host, int(port), **arguments)
        probe.close()
    except (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError) as refused:
        return Fatal(
            f"{servers} refused the login: check MODERATION_SASL_USERNAME, MODERATION_SASL_PASSWORD and"
            f" MODERATION_SASL_MECHANISM ({refused})"
        )
    except ssl.SSLError as refused:
        return Fatal(
            f"{servers}: no TLS connection: check MODERATION_SSL_CA_FILE and MODERATION_SECURITY_PROTOCOL ({refused})"
        )
    except (KafkaError, OSError, TimeoutError) as refused:
        error = refused
    return Transient(
        f"no broker answers at {servers}: check MODERATION_BOOTSTRAP_SERVERS, and MODERATION_SECURITY_PROTOCOL"
        f" ({connection.get('security_protocol', 'PLAINTEXT')}): {type(error).__name__}: {error}"
    )
