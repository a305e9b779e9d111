"""Which refusals end a worker: permissions that it never had, not those that may come back."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from worker.core.errors import Fatal
from worker.core.types import Channel, Outgoing, Partition
from worker.kafka.cluster import TopicFacts
from worker.kafka.producer import Outputs

TOPICS = {Channel.OUTPUT: "verdicts", Channel.DEAD_LETTER: "dead"}


class Producer:
    """Takes everything, and has it stored at once."""

    async def send(self, *_arguments: Any, **_more: Any) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@pytest.fixture
def outputs() -> Outputs:
    facts = TopicFacts(partitions=1, max_message_bytes=1_000)
    return Outputs(
        connection={"bootstrap_servers": "nowhere:9"},
        input_partitions=1,
        topics=TOPICS,
        facts=dict.fromkeys(Channel, facts),
        limits=dict.fromkeys(Channel, 1_000),
    )


REFUSALS = [
    TopicAuthorizationFailedError("verdicts"),
    TopicAuthorizationFailedError(),  # of a transaction's offsets: it is the input topic that may not be read
    ClusterAuthorizationFailedError(),  # of a producer id
]


def wrapped(error: KafkaError) -> KafkaError:
    """As aiokafka's sender passes it on."""
    outer = KafkaError("Unexpected error during batch delivery")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("error", REFUSALS)
async def test_permission_that_was_there_may_come_back(outputs: Outputs, error: KafkaError) -> None:
    for refusal in (error, wrapped(error)):
        with pytest.raises(Fatal, match="grant Write on MODERATION_OUTPUT_TOPIC"):
            outputs.refuse(refusal)
    producer: Any = Producer()
    await outputs.send(producer, Partition("posts", 0), Outgoing(Channel.OUTPUT, None, b"verdict", ()))
    await asyncio.sleep(0)
    for refusal in (error, wrapped(error)):
        outputs.refuse(refusal)


async def test_permission_for_another_topic_was_never_there(outputs: Outputs) -> None:
    producer: Any = Producer()
    await outputs.send(producer, Partition("posts", 0), Outgoing(Channel.OUTPUT, None, b"verdict", ()))
    await asyncio.sleep(0)
    with pytest.raises(Fatal, match="MODERATION_DEAD_LETTER_TOPIC"):
        outputs.refuse(TopicAuthorizationFailedError("dead"))
