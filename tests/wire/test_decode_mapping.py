import json
import math

import orjson
import pytest

from tests.wire.build import record
from tests.wire.decoding import DECODER, FULL, decoded, rejected
from worker.core.types import Record
from worker.wire.decode import Decoder
from worker.wire.fields import FieldMap


def test_mapped_fields_are_read_where_the_pointers_say() -> None:
    fields = FieldMap(id="/data/0/no", text="/data/1/a~1b", title="/t~0t", revision="/data/0/version")
    value = {"data": [{"no": 5, "version": 2}, {"a/b": "text"}], "t~t": "title", "id": None, "text": 3}
    post = decoded(orjson.dumps(value), Decoder(fields))
    assert (post.ref.id, post.ref.revision, post.text, post.title) == ("5", 2, "text", "title")
    broken: object
    for broken in ({"data": None}, {"data": []}, {"data": {}}, {"data": "xx"}):
        assert rejected(orjson.dumps(broken), Decoder(fields)).detail == "/data/0/no is missing"


@pytest.mark.parametrize("pointer", ["", "id", "#/id", "/a~2b", "/a~"])
def test_a_mapping_that_is_no_pointer_to_a_field_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="field id"):
        FieldMap(id=pointer)


def test_complaints_name_the_field_as_it_is_mapped() -> None:
    decoder = Decoder(FieldMap(revision="/meta/version"))
    detail = rejected(b'{"id":"a","text":"b","meta":{"version":-3}}', decoder).detail
    assert detail == "/meta/version breaks post.v1: minimum"


def test_a_nan_is_no_id() -> None:
    assert math.isnan(json.loads("NaN"))
    assert rejected(b'{"id":NaN,"text":"b"}').post is None


def test_the_same_bytes_decode_the_same_in_any_record() -> None:
    value = orjson.dumps(FULL)
    other = Record(record().partition, 99, -1, None, value)
    assert DECODER.decode(other) == DECODER.decode(record(value))
