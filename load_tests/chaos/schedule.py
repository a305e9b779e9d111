"""Which faults, in which order: decided by a seed alone, so that a run can be had again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to a worker, to the broker, or to what lies between them."""

    # Workers
    KILL = "kill"
    """kill -9 of a worker, started again after a while."""
    TERMINATE = "terminate"
    """SIGTERM: it drains, commits, leaves; started again."""
    ZOMBIE = "zombie"
    """SIGSTOP until the group has given it up, then SIGCONT."""
    STORM = "storm"
    """Two of three workers leave and come back in quick succession."""
    SLOW_MODEL = "slow_model"
    """A worker gets a fifth of its time: stopped and continued again and again."""
    NO_MEMORY = "no_memory"
    """A worker gets no more memory than it has: allocations fail, and it may end."""
    NO_LOG = "no_log"
    """A worker cannot write its log, as on a full disk, and has much to say: its connections are reset."""
    # The network of one worker
    LOSE = "lose"
    """Outputs are held back on their way, then the worker is killed with -9: what was sent is lost."""
    RESET = "reset"
    """Its connections are reset again and again."""
    DELAY = "delay"
    """All that it sends and gets takes 300 ms longer."""
    ISOLATE = "isolate"
    """Nothing passes for a while; then what it sent arrives late, or is lost with the connections."""
    NETWORK_ZOMBIE = "network_zombie"
    """Nothing passes until the group has given it up, while it works on; then as above."""
    # All
    CUT = "cut"
    """Every connection is reset, and none is let in for a while."""
    BROKER_STALL = "broker_stall"
    """The broker is frozen for a while, connections stay."""
    BROKER_KILL = "broker_kill"
    """kill -9 of the broker, started again at once."""
    BROKER_DISK_FULL = "broker_disk_full"
    """The broker cannot write any more, gives up, and is started again with room."""


GENTLE = frozenset({Kind.TERMINATE, Kind.STORM})
"""What operators do every day: a run of nothing else repeats nothing, at least once too."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and how long it lasts, in seconds (without meaning where the fault ends by itself)."""

    kind: Kind
    seconds: float


def schedule(seed: int, count: int, of: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
    """`count` faults `of` these kinds; every kind comes once in each round of len(of), in an order of its own."""
    draw = random.Random(seed)
    kinds: list[Kind] = []
    while len(kinds) < count:
        round_ = list(of)
        draw.shuffle(round_)
        kinds += round_
    return [Fault(kind, round(draw.uniform(0.2, 3.0), 2)) for kind in kinds[:count]]
