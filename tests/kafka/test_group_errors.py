from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from worker.kafka import group_errors

LOADING, NOT_COORDINATOR, NOT_ALLOWED = 14, 16, 30
ONE = TopicPartition("posts", 0)


class Coordinator(GroupCoordinator):  # type: ignore[misc]
    """aiokafka's own, but for its connection."""

    def __init__(self) -> None:
        self.group_id = "group"
        self.lost = 0
        self._retry_backoff_ms = 0

    async def ensure_coordinator_known(self) -> None: ...

    def coordinator_dead(self) -> None:
        self.lost += 1


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the broker answers, in order."""
    found: list[Any] = []

    async def send(_coordinator: object, _request: object) -> object:
        return found.pop(0)

    monkeypatch.setattr(group_errors, "_send", send)
    group_errors.install()
    yield found
    assert found == []


def failed(code: int) -> OffsetFetchResponse_v3:
    return OffsetFetchResponse_v3(0, [], code)


COMMITTED = OffsetFetchResponse_v3(0, [("posts", [(0, 7, "", 0)])], 0)


@pytest.mark.parametrize(("code", "lost"), [(LOADING, 0), (NOT_COORDINATOR, 1)])
async def test_group_whose_coordinator_is_not_there_yet_has_not_committed_nothing(
    answers: list[Any], code: int, lost: int
) -> None:
    answers += [failed(code), COMMITTED]
    coordinator = Coordinator()
    found = await coordinator.fetch_committed_offsets([ONE])
    assert found[ONE].offset == 7
    assert coordinator.lost == lost


async def test_group_that_may_not_be_read_is_an_error(answers: list[Any]) -> None:
    answers.append(failed(NOT_ALLOWED))
    with pytest.raises(GroupAuthorizationFailedError):
        await Coordinator().fetch_committed_offsets([ONE])


async def test_group_without_a_commit_has_none(answers: list[Any]) -> None:
    answers.append(OffsetFetchResponse_v3(0, [("posts", [(0, -1, "", 0)])], 0))
    assert await Coordinator().fetch_committed_offsets([ONE]) == {}
