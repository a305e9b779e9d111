from types import SimpleNamespace

import pytest

from worker.core.errors import Fatal
from worker.kafka.reach import Reach

DEADLINE = 60.0


def client(*connected: bool) -> SimpleNamespace:
    return SimpleNamespace(_conns={n: SimpleNamespace(connected=lambda up=up: up) for n, up in enumerate(connected)})


def test_one_connection_of_several_is_enough() -> None:
    reach = Reach(DEADLINE)
    reach.look(client(False, True), 10.0)
    assert reach.trouble is None


@pytest.mark.parametrize("lost", [client(), client(False)])
def test_without_a_connection_the_trouble_began_when_it_was_first_seen(lost: SimpleNamespace) -> None:
    reach = Reach(DEADLINE)
    reach.look(client(True), 0.0)
    for now in (10.0, 30.0, 69.9):
        reach.look(lost, now)
        assert reach.trouble is not None
        assert reach.trouble.since == 10.0
    with pytest.raises(Fatal, match=r"for 60 s \(MODERATION_RETRY_DEADLINE_SECONDS\) no broker can be reached"):
        reach.look(lost, 70.0)


def test_two_outages_do_not_add_up() -> None:
    reach = Reach(DEADLINE)
    for now, up in ((0.0, False), (59.0, True), (60.0, False), (119.0, False)):
        reach.look(client(up), now)
    assert reach.trouble is not None
    assert reach.trouble.since == 60.0
