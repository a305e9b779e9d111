import json
import random
import re
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.modeling.augmentation.posts import augmentation_grammar
from worker.modeling.augmentation.spelling import (
    WORD_TRICKS,
    abusive_words,
    disguise,
    disguised_posts,
    leet,
    masked,
    separated,
    stretched,
    swapped,
    without_vowels,
)

ABUSIVE = frozenset({"idiot"})


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labelled(count: int) -> list[dict[str, object]]:
    texts = ("what an idiot you are today", "walking home through the quiet garden")
    rows: list[dict[str, object]] = []
    for number in range(count):
        hate = number % 2
        labels = {"hate": hate, "offensive": (1, 0.6)[hate]}
        rows.append({"id": f"p{number}", "text": texts[hate], "labels": labels, "votes": {"hate": 2, "neither": 1}})
    return rows


@pytest.mark.parametrize("trick", WORD_TRICKS, ids=lambda trick: trick.__name__)
def test_trick_changes_most_words_and_keeps_their_first_letter_readable(trick: object) -> None:
    assert callable(trick)
    changed = [trick(word, random.Random(seed)) != word for seed in range(50) for word in ("idiot", "garden", "you")]
    assert sum(changed) > 0.6 * len(changed)


def test_tricks_do_what_they_are_named_for() -> None:
    draw = random.Random(0)
    assert re.fullmatch(r"[i1!][d][i1!][o0][t7+]", leet("idiot", draw))
    assert re.sub(r"[ ._*-]", "", separated("idiot", draw)) == "idiot"
    assert sorted(swapped("garden", draw)) == sorted("garden")
    assert set(stretched("garden", draw)) == set("garden")
    assert len(stretched("garden", draw)) > len("garden") + 1
    assert without_vowels("garden", draw) in {"grdn", "grden", "gardn"}
    assert masked("garden", draw)[0] + masked("garden", draw)[-1] == "gn"


def test_text_without_words_stays_as_it_is() -> None:
    assert disguise("@me 12 :) ok", ABUSIVE, random.Random(0)) == "@me 12 :) ok"


def test_abusive_words_are_hidden_and_harmless_ones_too() -> None:
    texts = [disguise("my idiot neighbour sings loudly", ABUSIVE, random.Random(seed)) for seed in range(200)]
    assert sum("idiot" not in text for text in texts) > 150
    assert sum("neighbour" not in text or "sings" not in text for text in texts) > 40


def test_share_of_posts_does_not_depend_on_their_label(tmp_path: Path) -> None:
    path = write(tmp_path / "some.train.jsonl", labelled(2_000))
    found = disguised_posts(path, 0.3, 0, ABUSIVE)
    hateful = sum(row["labels"]["hate"] for row in found)
    assert len(found) == pytest.approx(600, rel=0.15)
    assert hateful / len(found) == pytest.approx(0.5, abs=0.06)


def test_labels_and_votes_are_the_sources_and_a_label_of_one_value_is_unknown(tmp_path: Path) -> None:
    rows = labelled(40)
    by_id = {f"spelling-{row['id']}": row for row in rows}
    found = disguised_posts(write(tmp_path / "a.jsonl", rows), 1, 0, ABUSIVE)
    assert found
    for row in found:
        source = by_id[row["id"]]
        assert row["text"] != source["text"]
        assert row["kind"] == "spelling"
        assert isinstance(source["labels"], dict)
        assert row["labels"] == {"hate": source["labels"]["hate"], "offensive": None}
        assert "votes" not in row  # of which a training would make the label again
    both = [row | {"labels": {"hate": number % 2, "offensive": number % 2}} for number, row in enumerate(rows)]
    found = disguised_posts(write(tmp_path / "a.jsonl", both), 1, 0, ABUSIVE)
    assert found
    for row in found:
        assert row["votes"] == by_id[row["id"]]["votes"]


def test_post_keeps_its_tricks_when_other_posts_come_and_go(tmp_path: Path) -> None:
    rows = labelled(60)
    whole = disguised_posts(write(tmp_path / "forum.whole.jsonl", rows), 0.5, 3, ABUSIVE)
    half = disguised_posts(write(tmp_path / "forum.half.jsonl", rows[30:]), 0.5, 3, ABUSIVE)
    assert {(row["source"], "spelling-" + row["pair"] == row["id"]) for row in whole} == {("forum", True)}
    assert half == [row for row in whole if int(row["id"].removeprefix("spelling-p")) >= 30]
    assert disguised_posts(tmp_path / "forum.whole.jsonl", 0.5, 4, ABUSIVE) != whole


def test_line_that_is_no_labelled_post_is_named_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(labelled(1)[0]) + '\n{"id": "x", "text": "secret"}\n')
    with pytest.raises(Fatal, match=r"bad\.jsonl:2") as error:
        disguised_posts(path, 0.5, 0, ABUSIVE)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("value", ["1", 7, [0]])
def test_line_whose_label_is_no_probability_is_named(tmp_path: Path, value: object) -> None:
    rows: list[dict[str, object]] = [*labelled(1), {"id": "x", "text": "two words", "labels": {"hate": value}}]
    with pytest.raises(Fatal, match=r"bad\.jsonl:2: not a labelled post"):
        disguised_posts(write(tmp_path / "bad.jsonl", rows), 0.5, 0, ABUSIVE)


def test_file_whose_labels_are_all_null_is_named(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": "x", "text": "two words", "labels": {"hate": None}}]
    with pytest.raises(Fatal, match=r"null\.jsonl: every label is null"):
        disguised_posts(write(tmp_path / "null.jsonl", rows), 0.5, 0, ABUSIVE)


def test_copy_is_of_the_source_that_its_post_names(tmp_path: Path) -> None:
    rows = [{**row, "source": "tweets"} for row in labelled(40)]
    copies = disguised_posts(write(tmp_path / "forum.jsonl", rows), 1, 0, ABUSIVE)
    assert {copy["source"] for copy in copies} == {"tweets"}


def test_file_without_posts_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"empty\.jsonl: holds no posts"):
        disguised_posts(write(tmp_path / "empty.jsonl", []), 0.5, 0, ABUSIVE)


def test_words_that_authors_hide_hold_insults_but_no_everyday_words() -> None:
    words = abusive_words(augmentation_grammar())
    assert {"idiot", "moron", "bastard"} <= words
    assert not {"you", "the", "people", "garden", "and"} & words
