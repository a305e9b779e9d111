"""What aiokafka neither asks nor hears when it fetches a group's committed offsets.

From version 2 of OffsetFetch on, a coordinator that is loading, or is none any more, says so once for the group and
names no partition. aiokafka looks at partitions alone, so that to it the group has committed nothing: after a broker's
restart a partition would be read again from its beginning.

From version 7 on, one may ask for stable offsets (KIP-447): while a transaction has an offset that is not known to be
committed or aborted, a broker says to try again. Fencing a producer ends its transaction, but the coordinators of
brokers before 4.0 take over its offset a moment after that was answered: the older one would be read meanwhile.
"""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import (
    OffsetFetchRequest,
    OffsetFetchRequest_v1,
    OffsetFetchRequest_v2,
    OffsetFetchRequest_v3,
    OffsetFetchResponse_v3,
)
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from worker.kafka.loading import NOT_READY, loading_of

UNSTABLE_OFFSET_COMMIT = 88  # aiokafka does not know it
ASK_AGAIN_SECONDS = 0.1

_send = GroupCoordinator._send_req  # noqa: SLF001


class OffsetFetchResponse_v7(Response):  # type: ignore[misc]  # noqa: N801 - named as aiokafka names them
    """Of https://kafka.apache.org/protocol#The_Messages_OffsetFetch."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequest_v7(RequestStruct):  # type: ignore[misc]  # noqa: N801
    """Asks for stable offsets."""

    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetFetchResponse_v7
    SCHEMA = Schema(
        ("consumer_group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsetFetchRequest(
    Request[  # type: ignore[misc]
        OffsetFetchRequest_v1 | OffsetFetchRequest_v2 | OffsetFetchRequest_v3 | OffsetFetchRequest_v7
    ]
):
    """aiokafka's request, with the question for stable offsets where the broker understands it (2.5 and later)."""

    API_KEY = 9

    def __init__(self, asked: OffsetFetchRequest) -> None:
        self._asked = asked

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        """See Request."""
        if request_struct_class is not OffsetFetchRequest_v7:
            return self._asked.build(request_struct_class)
        topics: list[Any] = [(topic, partitions, {}) for topic, partitions in self._asked._partitions]  # noqa: SLF001
        return OffsetFetchRequest_v7(self._asked._consumer_group, topics, True, {})  # noqa: SLF001


def install() -> None:
    """Make every consumer of this process ask so, and raise these errors; aiokafka retries those that may pass."""
    GroupCoordinator._send_req = _checked  # noqa: SLF001


async def answered(coordinator: GroupCoordinator, topic: str, partitions: Collection[int]) -> None:
    """Wait until the coordinator tells anything, so that it is heard how long it was loading.

    Stable offsets are not asked for: what a former owner left open is ended by the fencing that comes next.
    """
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            response = await _send(coordinator, OffsetFetchRequest(coordinator.group_id, [(topic, sorted(partitions))]))
        except KafkaError as error:
            if not error.retriable:
                raise
        else:
            code = getattr(response, "error_code", 0)
            loading_of(coordinator).heard(code)
            if code not in NOT_READY:
                return
            if for_code(code) is not GroupLoadInProgressError:
                coordinator.coordinator_dead()
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _checked(coordinator: Any, request: Any) -> Any:
    fetch = isinstance(request, OffsetFetchRequest)
    response = await _send(coordinator, StableOffsetFetchRequest(request) if fetch else request)
    code = getattr(response, "error_code", 0)
    loading_of(coordinator).heard(code)
    if not fetch:
        return response
    if code:
        error = for_code(code)
        if error in {NotCoordinatorForGroupError, GroupCoordinatorNotAvailableError}:
            coordinator.coordinator_dead()
        raise error()
    return _as_version_3(response) if isinstance(response, OffsetFetchResponse_v7) else response


def _as_version_3(response: OffsetFetchResponse_v7) -> OffsetFetchResponse_v3:
    """The response as aiokafka reads it. Raises GroupLoadInProgressError, which it retries, where one is not stable."""
    topics: list[tuple[str, list[tuple[int, int, str, int]]]] = []
    for topic, partitions, _ in response.topics:
        if any(code == UNSTABLE_OFFSET_COMMIT for *_, code, _ in partitions):
            raise GroupLoadInProgressError
        topics.append((topic, [(number, offset, text, code) for number, offset, _, text, code, _ in partitions]))
    return OffsetFetchResponse_v3(response.throttle_time_ms, topics, response.error_code)
