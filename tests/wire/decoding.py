"""What the decoder's tests share."""

import pytest

from tests.wire.build import record
from worker.core.errors import Rejected
from worker.core.types import Post
from worker.wire.decode import Decoder

DECODER = Decoder()
FULL = {
    "id": "post-1",
    "text": "what the author wrote",
    "title": "a title",
    "language": "en-GB",
    "revision": 7,
    "created_at": "2024-02-29T23:59:59.5+02:00",
}


def decoded(value: bytes, decoder: Decoder = DECODER) -> Post:
    post = decoder.decode(record(value))
    assert isinstance(post, Post)
    return post


def rejected(value: bytes | None, decoder: Decoder = DECODER, key: bytes | None = b"key") -> Rejected:
    with pytest.raises(Rejected) as caught:
        decoder.decode(record(value, key))
    return caught.value
