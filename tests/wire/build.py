"""Records and encoders for the tests of this room."""

from hypothesis import strategies as st

from worker.core.errors import Rejected
from worker.core.policy import Policy, Threshold
from worker.core.types import Channel, Headers, Outgoing, Partition, Post, PostRef, Record
from worker.wire.decode import Decoder
from worker.wire.encode import Encoder, Model

NOW = 1_700_000_000.25
POLICY = Policy("policy-1", ("hate", "offensive"), (Threshold(0.5, 0.9), Threshold(0.25)))
MODEL = Model("default", "1.0", "a" * 64)
POST = PostRef("post-1", 3, "b" * 64, "en")


def record(
    value: bytes | None = b"{}",
    key: bytes | None = b"key",
    headers: Headers = (),
    timestamp_ms: int = 1_700_000_000_000,
) -> Record:
    return Record(Partition("posts", 2), 41, timestamp_ms, key, value, headers)


def encoder(output: int = 1_000_000, dead_letter: int = 1_000_000) -> Encoder:
    return Encoder(
        policy=POLICY,
        model=MODEL,
        worker_version="0.1.0",
        limits={Channel.OUTPUT: output, Channel.DEAD_LETTER: dead_letter},
        clock=lambda: NOW,
    )


def outcome(value: bytes, decoder: Decoder = Decoder(), key: bytes | None = b"key") -> Post | Rejected:  # noqa: B008
    """What becomes of a value: its post, or why there is none."""
    try:
        post = decoder.decode(record(value, key))
    except Rejected as rejected:
        return rejected
    assert isinstance(post, Post)
    return post


def header(outgoing: Outgoing, name: str) -> str | None:
    return next((value.decode() for key, value in outgoing.headers if key == name), None)


# `st.characters()` sorts all of Unicode when first used, which looks like a slow test.
unicode_text = st.text(st.integers(0, 0x10FFFF).filter(lambda c: not 0xD800 <= c < 0xE000).map(chr), max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | unicode_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(unicode_text, inner, max_size=4),
    max_leaves=12,
)
