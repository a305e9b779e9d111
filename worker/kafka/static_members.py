"""Static members that have lost their name to another worker.

aiokafka names no instance in its heartbeats and commits. So a member whose instance id another worker took over hears
only that it is unknown, joins anew under that id, and takes it back: the two would go on like that for ever. Here the
coordinator is asked once more, with the instance id, and then it says which of the two it is (KIP-345).
"""

from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.types import Int32, Schema, String

from worker.core.errors import Fatal

FENCED_INSTANCE_ID = 82


class InstanceTakenError(KafkaError):  # type: ignore[misc]
    """Another worker has this one's instance id."""


class _Response(HeartbeatResponse_v1):  # type: ignore[misc]
    API_VERSION = 3


class _Heartbeat_v3(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as aiokafka names them
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class _Heartbeat(Request[_Heartbeat_v3]):  # type: ignore[misc]
    API_KEY = 12

    def __init__(self, coordinator: Any, instance: str) -> None:
        self._fields = coordinator.group_id, coordinator.generation, coordinator.member_id, instance

    def build(self, request_struct_class: type[_Heartbeat_v3]) -> _Heartbeat_v3:
        return request_struct_class(*self._fields)


def install() -> None:
    """Let every consumer of this process learn that its instance id was taken."""
    send = GroupCoordinator._send_req  # noqa: SLF001

    async def looked_at(coordinator: Any, request: Any) -> Any:
        response = await send(coordinator, request)
        instance = coordinator._group_instance_id  # noqa: SLF001
        if instance is not None and await _taken(coordinator, instance, _codes(request, response), send):
            coordinator.instance_taken = True
            raise InstanceTakenError
        return response

    GroupCoordinator._send_req = looked_at  # noqa: SLF001


async def _taken(coordinator: Any, instance: str, codes: set[int], send: Any) -> bool:
    if UnknownMemberIdError.errno in codes and coordinator.member_id:
        codes = {(await send(coordinator, _Heartbeat(coordinator, instance))).error_code}
    return FENCED_INSTANCE_ID in codes


def check(coordinator: Any) -> None:
    """Raise Fatal where another worker has taken this one's instance id."""
    if getattr(coordinator, "instance_taken", False):
        raise Fatal(
            f"another worker has joined the group as MODERATION_GROUP_INSTANCE_ID={coordinator._group_instance_id}:"  # noqa: SLF001
            " give each worker an id of its own (in a StatefulSet: its pod's name)"
        )


def _codes(request: Any, response: Any) -> set[int]:
    if isinstance(request, OffsetCommitRequest):
        return {code for _topic, partitions in response.topics for _partition, code in partitions}
    if isinstance(request, (HeartbeatRequest, JoinGroupRequest, SyncGroupRequest)):
        return {response.error_code}
    return set()
