"""Errors of a whole group, of which aiokafka does not hear when it asks for committed offsets.

From version 2 of OffsetFetch on, a coordinator that is loading, or is none any more, says so once for the group and
names no partition. aiokafka looks at partitions alone, so that to it the group has committed nothing: after a broker's
restart a partition would be read again from its beginning.
"""

from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest

_send = GroupCoordinator._send_req  # noqa: SLF001


def install() -> None:
    """Make every consumer of this process raise these errors; those that may pass are then retried by aiokafka."""
    GroupCoordinator._send_req = _checked  # noqa: SLF001


async def _checked(coordinator: Any, request: Any) -> Any:
    response = await _send(coordinator, request)
    if isinstance(request, OffsetFetchRequest) and (code := getattr(response, "error_code", 0)):
        error = for_code(code)
        if error in {NotCoordinatorForGroupError, GroupCoordinatorNotAvailableError}:
            coordinator.coordinator_dead()
        raise error()
    return response
