from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from worker.core.errors import Fatal
from worker.kafka.reach import Reach

DEADLINE = 60.0
ONE = TopicPartition("posts", 1)


class Reached(Reach):
    """With a clock that tests set."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__(DEADLINE, lambda: self.now)

    def at(self, now: float, client: SimpleNamespace, assigned: Sequence[TopicPartition] = ()) -> None:
        self.now = now
        self.look(client, assigned)


def client(*connected: bool, leader: int | None = 1) -> SimpleNamespace:
    return SimpleNamespace(
        _conns={n: SimpleNamespace(connected=lambda up=up: up) for n, up in enumerate(connected)},
        cluster=SimpleNamespace(leader_for_partition=lambda _tp: leader),
    )


def test_one_connection_of_several_is_enough() -> None:
    reach = Reached()
    reach.at(10.0, client(False, True), [ONE])
    assert reach.trouble is None


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        (client(), "no broker can be reached"),
        (client(False), "no broker can be reached"),
        (client(True, leader=-1), "no broker leads partition 1 of MODERATION_INPUT_TOPIC"),
        (client(True, leader=None), "no broker leads partition 1 of MODERATION_INPUT_TOPIC"),
    ],
)
def test_without_a_broker_the_trouble_began_when_it_was_first_seen(lost: SimpleNamespace, why: str) -> None:
    reach = Reached()
    reach.at(0.0, client(True), [ONE])
    for now in (10.0, 30.0, 69.9):
        reach.at(now, lost, [ONE])
        assert reach.trouble is not None
        assert reach.trouble.since == 10.0
    with pytest.raises(Fatal, match=rf"for 60 s \(MODERATION_RETRY_DEADLINE_SECONDS\) {why}"):
        reach.at(70.0, lost, [ONE])


def test_two_outages_do_not_add_up() -> None:
    reach = Reached()
    for now, up in ((0.0, False), (59.0, True), (60.0, False), (119.0, False)):
        reach.at(now, client(up))
    assert reach.trouble is not None
    assert reach.trouble.since == 60.0


def test_a_group_that_is_not_joined_is_a_trouble_that_ends_the_worker() -> None:
    reach = Reached()
    reach.left()
    reach.at(30.0, client(True))
    reach.left()  # once more: it was never joined between
    assert reach.trouble is not None
    assert "not in the group" in reach.trouble.why
    with pytest.raises(Fatal, match=r"for 60 s .* not in the group"):
        reach.at(60.0, client(True))
    reach.joined()
    reach.at(61.0, client(True))
    assert reach.trouble is None
