import itertools
from collections import Counter
from pathlib import Path

import orjson
import pytest
import zstandard

from load_tests.corpus import posts, traffic
from load_tests.hostile import KINDS, PREFIX, SCORED, TOMBSTONE_WITHOUT_KEY, due
from load_tests.made_up import made_up_texts
from worker.core.errors import Reason, Rejected
from worker.core.types import Partition, Post, Record, Tombstone
from worker.wire.decode import Decoder

LATER = {Reason.TEXT_TOO_LONG, Reason.NO_SCORABLE_TEXT}
"""Reasons that are found after decoding, when the text is measured and normalised."""


def test_traffic_is_the_same_every_time() -> None:
    assert list(traffic(500, seed=3)) == list(traffic(500, seed=3))
    assert list(traffic(500, seed=3)) != list(traffic(500, seed=4))


def test_traffic_holds_about_one_in_a_hundred_hostile_records_and_every_kind() -> None:
    found = list(traffic(8_000))
    assert len(found) == 8_000
    kinds = Counter(
        "tombstone-without-key" if key is None else key.decode().removeprefix(PREFIX).rsplit("-", 1)[0]
        for key, value in found
        if due(key, value) != SCORED or (key or b"").startswith(PREFIX.encode())
    )
    assert set(kinds) == set(KINDS)
    assert 70 <= kinds.total() <= 90
    assert all(kinds[kind] <= hostile.at_most for kind, hostile in KINDS.items())


def test_ordinary_records_are_posts_with_ids_of_their_own() -> None:
    ids = [
        orjson.loads(value)["id"]
        for key, value in traffic(3_000)
        if value is not None and not (key or b"").startswith(PREFIX.encode())
    ]
    assert len(ids) == len(set(ids)) > 2_900


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_due_for_a_hostile_record_is_what_decoding_says(kind: str) -> None:
    hostile = KINDS[kind]
    key = f"{PREFIX}{kind}-0".encode() if hostile.keyed else None
    record = Record(Partition("posts", 0), 0, 0, key, hostile.value(f"{PREFIX}{kind}-0"))
    expected = due(record.key, record.value)
    assert expected == hostile.due
    found = _decoded(record)
    if isinstance(found, Rejected):
        assert found.reason == expected.dead_letter
        assert (found.post is not None) == expected.verdict
    else:
        assert isinstance(found, Tombstone if expected.tombstone else Post)
        assert expected.dead_letter is None or expected.dead_letter in LATER


def test_keyless_records_are_told_apart_by_their_value() -> None:
    assert due(None, None) == TOMBSTONE_WITHOUT_KEY
    assert due(None, b"{}") == SCORED


def test_made_up_texts_are_as_long_as_real_ones() -> None:
    lengths = sorted(len(text) for text in itertools.islice(made_up_texts(), 4_000))
    quartiles = [lengths[len(lengths) * quarter // 4] for quarter in (1, 2, 3)]
    assert 30 <= quartiles[0] <= 60
    assert 55 <= quartiles[1] <= 100
    assert 180 <= quartiles[2] <= 400
    assert lengths[-1] <= 3_400


def test_posts_without_a_folder_are_made_up() -> None:
    found = list(itertools.islice(posts(), 50))
    assert [post.text for post in found] == list(itertools.islice(made_up_texts(), 50))
    assert orjson.loads(found[0].value())["id"] == "post-0"


def test_posts_of_a_folder_are_its_lines_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("third\n", encoding="utf-8")
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(b"first\n\n  second \n"))
    found = [post.text for post in itertools.islice(posts(folder=tmp_path, longest=5), 4)]
    assert found == ["first", "secon", "third", "first"]


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="holds no"):
        next(posts(folder=tmp_path))


def _decoded(record: Record) -> Post | Tombstone | Rejected:
    try:
        return Decoder().decode(record)
    except Rejected as rejected:
        return rejected
