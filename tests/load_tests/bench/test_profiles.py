"""Each profile's posts are what its name says."""

import itertools
from collections import Counter
from typing import Any, get_args

import orjson
import pytest

from load_tests.bench.profiles import LONG_CHARACTERS, PROFILES, STORM_TEXTS, Posts, records
from load_tests.corpus import Keyed
from load_tests.hostile import SCORED, due


def taken(kind: Posts, count: int = 1_000, **options: Any) -> list[Keyed]:
    return list(itertools.islice(records(kind, **options), count))


def post(record: Keyed) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(record[1] or b"")
    return found


@pytest.mark.parametrize("kind", get_args(Posts))
def test_same_seed_same_records(kind: Posts) -> None:
    assert taken(kind, 50, seed=3) == taken(kind, 50, seed=3) != taken(kind, 50, seed=4)


@pytest.mark.parametrize("kind", ["ordinary", "one key", "long", "duplicates"])
def test_posts_have_ids_of_their_own(kind: Posts) -> None:
    assert len({post(record)["id"] for record in taken(kind, 300)}) == 300


def test_most_posts_of_the_hot_profile_have_one_key() -> None:
    [(key, count)] = Counter(key for key, _ in taken("one key")).most_common(1)
    assert key == b"hot"
    assert 850 <= count <= 950


def test_a_storm_repeats_few_texts_under_keys_of_their_own() -> None:
    found = taken("duplicates")
    texts = Counter(post(record)["text"] for record in found)
    assert 850 <= sum(count for _, count in texts.most_common(STORM_TEXTS)) <= 950
    assert len({key for key, _ in found}) == len(found)


def test_long_posts_are_long() -> None:
    lengths = [len(post(record)["text"]) for record in taken("long", 100)]
    assert LONG_CHARACTERS[0] <= min(lengths) < max(lengths) <= LONG_CHARACTERS[1]


def test_one_record_in_a_hundred_is_hostile() -> None:
    found = taken("hostile", 5_000)
    assert 20 <= sum(due(*record) != SCORED for record in found) <= 50


def test_texts_are_cut_where_asked() -> None:
    assert max(len(post(record)["text"]) for record in taken("ordinary", 300, longest=40)) == 40


def test_a_burst_is_ten_times_the_rate() -> None:
    assert max(PROFILES["burst"].shape) == 10 * min(PROFILES["burst"].shape)
