"""Health: alive and ready exactly when a restart would not help, with reasons."""

from worker.core.trouble import Doing, Trouble
from worker.core.types import Partition
from worker.ops.health import Health

PARTITION = Partition("posts", 0)
OTHER = Partition("posts", 1)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def health(clock: Clock) -> Health:
    return Health(stall_timeout=60, loop_timeout=30, clock=clock)


def test_starting_worker_alive_but_not_ready() -> None:
    started = health(Clock())
    assert started.live().ok
    assert started.ready().reasons == ("the model is not loaded yet", "the worker is not in the consumer group")


def test_in_the_group_without_partition_is_ready_and_alive_for_ever() -> None:
    clock = Clock()
    idle = health(clock)
    idle.model_loaded()
    assert idle.ready().reasons == ("the worker is not in the consumer group",)
    idle.joined(in_group=True)
    for _ in range(100):
        clock.now += 20
        idle.beat()
        assert idle.live().ok
        assert idle.ready().ok


def test_left_the_group_no_longer_ready_still_alive() -> None:
    left = health(Clock())
    left.model_loaded()
    left.joined(in_group=True)
    left.joined(in_group=False)
    assert not left.ready().ok
    assert left.live().ok


def test_event_loop_silent_not_alive_until_it_beats_again() -> None:
    clock = Clock()
    stuck = health(clock)
    clock.now += 1_000
    assert stuck.live().ok, "loading a model is not silence"
    stuck.beat()
    clock.now += 30
    assert stuck.live().ok
    clock.now += 1
    assert stuck.live().reasons == ("the event loop has been silent for 31 s",)
    stuck.beat()
    assert stuck.live().ok


def test_partition_with_work_and_no_progress_named_as_the_reason() -> None:
    clock = Clock()
    stuck = health(clock)
    stuck.waiting(PARTITION, has_work=True)
    stuck.waiting(OTHER, has_work=True)
    for _ in range(7):
        clock.now += 10
        stuck.progress(OTHER)
        stuck.waiting(PARTITION, has_work=True)
    assert stuck.live().reasons == (
        "posts[0] has work but made no progress for 70 s (MODERATION_STALL_TIMEOUT_SECONDS=60)",
    )


def test_progress_restarts_the_clock_of_its_partition() -> None:
    clock = Clock()
    working = health(clock)
    working.waiting(PARTITION, has_work=True)
    for _ in range(10):
        clock.now += 59
        working.progress(PARTITION)
    clock.now += 60
    assert working.live().ok
    clock.now += 1
    assert not working.live().ok


def test_partition_without_work_is_alive_however_long_it_is_quiet() -> None:
    clock = Clock()
    idle = health(clock)
    idle.waiting(PARTITION, has_work=True)
    idle.waiting(PARTITION, has_work=False)
    clock.now += 10_000
    idle.progress(PARTITION)
    assert idle.live().ok
    clock.now += 10_000
    assert idle.live().ok


def test_partition_given_away_counts_no_more() -> None:
    clock = Clock()
    revoked = health(clock)
    revoked.waiting(PARTITION, has_work=True)
    revoked.forget(PARTITION)
    revoked.forget(OTHER)
    clock.now += 10_000
    assert revoked.live().ok


def test_trouble_with_kafka_that_lasts_is_a_reason_not_to_be_ready_but_to_stay_alive() -> None:
    clock = Clock()
    waiting = health(clock)
    waiting.model_loaded()
    waiting.joined(in_group=True)
    gone = Trouble(clock.now, "no acknowledgement")
    assert waiting.kafka(Doing.PUBLISHING, gone) == 0
    clock.now += 10
    assert waiting.kafka(Doing.PUBLISHING, gone) == 10
    assert waiting.ready().ok
    clock.now += 32
    waiting.beat()
    assert waiting.ready().reasons == ("publishing has failed for 42 s: no acknowledgement",)
    assert waiting.live().ok
    assert waiting.kafka(Doing.PUBLISHING, None) == 0
    assert waiting.ready().ok
