"""What the encoder's tests share: reading back what it published."""

import orjson

from tests.wire.build import POST
from worker.core.types import Channel, Outgoing, Scored
from worker.wire.schemas import validator

SMALLEST = 10_000
SCORED = Scored(POST, (0.12300000339746475, 0.75), 2)


def verdict(outgoing: Outgoing) -> dict[str, object]:
    assert outgoing.channel is Channel.OUTPUT
    assert outgoing.value is not None
    found = orjson.loads(outgoing.value)
    validator("verdict.v1").validate(found)
    assert isinstance(found, dict)
    return found


def check_dead_letter(outgoing: Outgoing) -> None:
    names = [name for name, _ in outgoing.headers]
    own = [name for name in names if not name.startswith("original.")]
    assert len(own) == len(set(own))
    validator("dead-letter.v1").validate(
        {name: v.decode("utf-8", "replace") for name, v in outgoing.headers if not name.startswith("original.")}
    )
