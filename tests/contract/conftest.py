from collections.abc import AsyncIterator

import pytest

from tests.broker.conftest import Names, kafka, topics
from tests.contract.worlds import KafkaWorld, MemoryWorld, World
from tests.harness import Kafka

__all__ = ["kafka", "topics"]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.broker)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An input topic with two partitions and output topics with as many, in memory and on a real Kafka."""
    found: World
    if request.param == "memory":
        found = MemoryWorld()
    else:
        broker: Kafka = request.getfixturevalue("kafka")
        names: Names = request.getfixturevalue("topics")
        found = KafkaWorld(broker.bootstrap, names)
    await found.begin()
    yield found
    await found.end()
