"""What the cluster says about the topics, before the first record is read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from worker.core.errors import Fatal
from worker.kafka.refusals import explain


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
            raise await explain(error, connection) from error
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
