import json
import random
from pathlib import Path

import pytest

from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.evaluation import baseline
from worker.modeling.evaluation.baseline import Floor, fit_floor, plans
from worker.modeling.evaluation.evaluate import evaluate_floor

LABELS = ("hate", "offensive")
WORDS = ("bad", "good")


@pytest.fixture
def train(tmp_path: Path) -> Path:
    write_posts(tmp_path / "here.train.jsonl", random.Random(1), 600)
    return tmp_path / "here.train.jsonl"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_posts(tmp_path / "here.dev.jsonl", random.Random(2), 600)
    return tmp_path / "here.dev.jsonl"


def auroc(floor: Floor) -> dict[str, float]:
    return {row["label"]: row["auroc"] for row in evaluate_floor(floor)["rows"]}


def test_floor_learns_words_that_tell_and_shuffled_labels_teach_nothing(train: Path, data: Path) -> None:
    (plan,) = plans([train], LABELS)
    assert all(value > 0.95 for value in auroc(fit_floor(plan, [data])).values())
    (control,) = plans([train], LABELS, shuffle_seed=0)
    assert all(0.4 < value < 0.6 for value in auroc(fit_floor(control, [data])).values())
    assert "shuffled (seed 0)" in control.describe()


def test_floors_are_the_mixed_one_and_one_of_each_source(train: Path, data: Path) -> None:
    other = train.with_name("there.train.jsonl")
    rows = [json.loads(line) for line in train.read_text().splitlines()]
    other.write_text("".join(json.dumps({**row, "labels": {"hate": row["labels"]["hate"]}}) + "\n" for row in rows))
    found = [fit_floor(plan, [data]) for plan in plans([train, other], LABELS, per_source=True)]
    assert [(floor.plan.name, floor.labels) for floor in found] == [
        ("mixed", LABELS),
        ("here", LABELS),
        ("there", ("hate",)),  # it says nothing of the other
    ]
    assert {row["label"] for row in evaluate_floor(found[2])["rows"]} == {"hate"}


def test_files_of_one_source_have_one_floor(train: Path) -> None:
    more, other = train.with_name("here.more.jsonl"), train.with_name("there.train.jsonl")
    for path in (more, other):
        path.write_text(train.read_text())
    assert [(plan.name, plan.train) for plan in plans([train, other, more], LABELS, per_source=True)] == [
        ("mixed", (train, other, more)),
        ("here", (train, more)),
        ("there", (other,)),
    ]
    assert [plan.name for plan in plans([train, more], LABELS, per_source=True)] == ["mixed"]
    with pytest.raises(Fatal, match=r"--train: .*mixed\.train\.jsonl: 'mixed' is the floor of all sources"):
        plans([train, train.rename(train.with_name("mixed.train.jsonl"))], LABELS, per_source=True)


def test_posts_that_hold_no_word_twice_are_too_few(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    rows = [{"id": text, "text": text, "labels": {"hate": hate}} for hate, text in enumerate("ab")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(Fatal, match="evaluate --baseline: the posts of --train are too few"):
        fit_floor(plans([path], LABELS)[0], [data])


def test_posts_that_are_measured_are_not_trained_on_whatever_their_case_and_white_space(
    data: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    path = tmp_path / "copies.train.jsonl"

    def write(copied: int) -> None:
        copies = [row | {"text": f" {row['text'].upper().replace(' ', '  ')} "} for row in rows[:copied]]
        new = [{"id": f"n{i}", "text": f"{w} {i}", "labels": {"hate": int(w == "bad")}} for i in (1, 2) for w in WORDS]
        path.write_text("".join(json.dumps(row) + "\n" for row in copies + new))

    (plan,) = plans([path], LABELS)
    write(0)
    clean = fit_floor(plan, [data])
    write(300)
    found = fit_floor(plan, [data])
    assert (clean.plan.left_out, found.plan.left_out) == (0, 300)
    assert found.sets[0].scores == clean.sets[0].scores
    assert "copies.train.jsonl, without 300 whose text is also in the measured files" in found.plan.describe()


def test_cached_scores_are_not_those_of_other_measured_files(train: Path, data: Path, tmp_path: Path) -> None:
    (plan,) = plans([train], LABELS)
    other = tmp_path / "other.dev.jsonl"
    other.write_text("".join(train.read_text().splitlines(keepends=True)[:200]))
    both = fit_floor(plan, [data, other], tmp_path / "cache")
    alone = fit_floor(plan, [data], tmp_path / "cache")
    assert (both.plan.left_out or 0) >= (alone.plan.left_out or 0) + 100
    assert both.sets[0].scores != alone.sets[0].scores


def test_cached_scores_hold_no_text_and_are_used_again(
    train: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plan,) = plans([train], LABELS, most_posts=500)
    first = fit_floor(plan, [data], tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    assert set(json.loads(file.read_text())) == {"labels", "ids", "scores", "left_out"}

    def refit(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(baseline, "_fit", refit)
    again = fit_floor(plan, [data], tmp_path / "cache")
    assert auroc(again) == auroc(first)
    assert again.sets[0].examples == first.sets[0].examples
    assert again.plan == first.plan
    train.write_text(train.read_text().replace("good", "bad", 1))
    with pytest.raises(AssertionError, match="again"):
        fit_floor(plan, [data], tmp_path / "cache")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"ids": [], "labels": ["hate"], "scores": [], "left_out": 0}'])
def test_broken_cache_names_its_file(train: Path, data: Path, tmp_path: Path, content: str) -> None:
    (plan,) = plans([train], LABELS, most_posts=100)
    fit_floor(plan, [data], tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(content)
    with pytest.raises(Fatal, match=file.name):
        fit_floor(plan, [data], tmp_path / "cache")


def test_training_files_of_one_value_are_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text('{"id": "a", "text": "good", "labels": {"hate": 1}}\n' * 3)
    with pytest.raises(Fatal, match=r"one\.jsonl, given to --train: no label of hate, offensive has both values"):
        fit_floor(plans([path], LABELS)[0], [data])


def test_floor_that_measured_nothing_is_refused_as_a_bundle_is(
    train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "clean.dev.jsonl"
    write_posts(data, random.Random(2), 20, dict.fromkeys(LABELS, 0))
    report = tmp_path / "report"
    command = ["evaluate", "--data", str(data), "--baseline", "--train", str(train), "--report", str(report)]
    assert main(command) == 1
    assert "no file given to --data holds both values of any of the labels hate, offensive" in capsys.readouterr().err
    assert not report.exists()
