"""A worker that is told to end in the middle of a rebalance leaves no member behind."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from tests.broker.conftest import Names
from tests.broker.scene import Scene, scene
from tests.harness import Kafka

pytestmark = pytest.mark.broker

QUICK = {"MODERATION_HEARTBEAT_INTERVAL_SECONDS": "0.5", "MODERATION_SESSION_TIMEOUT_SECONDS": "45"}


class Finishing(ConsumerRebalanceListener):  # type: ignore[misc]
    """Of a member that does not give up its partitions before it is `done`."""

    def __init__(self) -> None:
        self.done = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if revoked:
            await self.done.wait()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None: ...


async def everyone(stage: Scene) -> set[str]:
    """Client ids of all members, in whatever state the group is."""
    [described] = await stage.watch._admin.describe_consumer_groups([stage.names.group])
    return {member[1] for group in described.groups for member in group[5]}


async def test_a_stop_while_others_finish_leaves_no_member_behind(kafka: Kafka, topics: Names, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path, partitions=4) as stage:
        listener = Finishing()
        ends = stage.worker("a", QUICK)
        await stage.until_ready(ends)
        slow = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap,
            group_id=stage.names.group,
            client_id="slow",
            enable_auto_commit=False,
            rebalance_timeout_ms=60_000,
            heartbeat_interval_ms=500,
        )
        async with slow:
            slow.subscribe([stage.names.input], listener=listener)
            try:
                await stage.until_members(2)
                said = ends.tail(10**9).count("because it is rebalancing")
                comes = stage.worker("b", QUICK)
                await stage.until_said_again(ends, "because it is rebalancing", said)
                await asyncio.sleep(1)  # its join is on its way, and is not answered before `slow` has joined
                ends.terminate()
                assert ends.wait() == 0, ends.tail()
                assert "slow" in await everyone(stage)
                assert ends.name not in await everyone(stage)
            finally:
                listener.done.set()
            await stage.until_members(2)
            assert {name for name, _ in await stage.watch.members()} == {"slow", comes.name}
