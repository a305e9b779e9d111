"""Which faults, in which order: decided by a seed alone, so that a run can be had again."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to a worker, to the broker, or to what lies between them."""

    KILL = "kill"
    """kill -9 of a worker, started again after a while."""
    TERMINATE = "terminate"
    """SIGTERM: it drains, commits, leaves; started again."""
    ZOMBIE = "zombie"
    """SIGSTOP until the group has given it up, then SIGCONT."""
    STORM = "storm"
    """Two of three workers leave and come back in quick succession."""
    LOSE = "lose"
    """Outputs are held back on their way, then the worker is killed with -9: what was sent is lost."""
    CUT = "cut"
    """Every connection is reset, and none is let in for a while."""
    BROKER_STALL = "broker_stall"
    """The broker is frozen for a while, connections stay."""
    BROKER_KILL = "broker_kill"
    """kill -9 of the broker, started again at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and how long it lasts, in seconds (without meaning where the fault ends by itself)."""

    kind: Kind
    seconds: float


def schedule(seed: int, count: int) -> list[Fault]:
    """`count` faults; every kind comes once in each round of len(Kind), in an order of its own."""
    draw = random.Random(seed)
    kinds: list[Kind] = []
    while len(kinds) < count:
        round_ = list(Kind)
        draw.shuffle(round_)
        kinds += round_
    return [Fault(kind, round(draw.uniform(0.2, 3.0), 2)) for kind in kinds[:count]]
