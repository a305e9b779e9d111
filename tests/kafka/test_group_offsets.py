from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v0

from worker.kafka import group_offsets
from worker.kafka.group_offsets import OffsetFetchResponse_v7, StableOffsetFetchRequest
from worker.kafka.loading import Loading, _of

LOADING, NOT_COORDINATOR, NOT_ALLOWED, UNSTABLE = 14, 16, 30, 88
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

    monkeypatch.setattr(group_offsets, "_send", send)
    group_offsets.install()
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


def stable(offset: int, code: int = 0) -> OffsetFetchResponse_v7:
    return OffsetFetchResponse_v7(0, [("posts", [(0, offset, -1, "", code, {})], {})], 0, {})


async def test_offset_of_a_transaction_that_is_not_over_is_waited_for(answers: list[Any]) -> None:
    answers += [stable(-1, UNSTABLE), stable(9)]
    found = await Coordinator().fetch_committed_offsets([ONE])
    assert found[ONE].offset == 9


@pytest.mark.parametrize(("newest", "version"), [(10, 7), (7, 7), (5, 3), (1, 1)])
def test_stable_offsets_are_asked_for_where_the_broker_understands(newest: int, version: int) -> None:
    request = StableOffsetFetchRequest(OffsetFetchRequest("group", [("posts", [0])]))
    built = request.prepare({9: (0, newest)})
    assert version == type(built).API_VERSION
    assert (built.encode()[-2:] == b"\x01\x00") is (version == 7)  # the last field, before no tags


async def test_every_answer_tells_whether_the_coordinator_is_loading(answers: list[Any]) -> None:
    now = [0.0]
    coordinator = Coordinator()
    _of[coordinator] = loading = Loading(lambda: now[0])
    answers += [HeartbeatResponse_v0(LOADING), failed(LOADING), COMMITTED]
    await coordinator._send_req(HeartbeatRequest("group", 1, "member"))
    now[0] = 4.0
    await coordinator.fetch_committed_offsets([ONE])
    assert loading.doubtful_seconds() == 4.0


async def test_an_answer_of_any_kind_is_waited_for_and_heard(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_offsets, "ASK_AGAIN_SECONDS", 0)
    now = iter([0.0, 2.0, 3.0])
    coordinator = Coordinator()
    _of[coordinator] = loading = Loading(lambda: next(now))
    answers += [failed(LOADING), failed(NOT_COORDINATOR), failed(0)]
    await group_offsets.answered(coordinator, "posts", [0])
    assert coordinator.lost == 1
    assert loading.doubtful_seconds() == 1.0  # it was seen loading for 2 s, and was last 1 s ago
