"""The engine: a verified bundle with a policy, its own or the operator's."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from worker.core.errors import Fatal, Rejected
from worker.core.policy import Action, Decision, Policy, Threshold
from worker.core.types import Channel, Expired, Partition, Record, Scorable, Scored, Scores
from worker.engine import build_engine, load_policy
from worker.settings import load
from worker.wire.schemas import validator

OWN = Policy("own", ("hate", "offensive"), (Threshold(0.4, 0.8), Threshold(0.6)))
GOOD = {
    "version": "mine",
    "thresholds": {"hate": {"review": 0.2, "block": 0.7}, "offensive": {"review": 0.3, "block": None}},
}


def written(folder: Path, content: object) -> Path:
    file = folder / "policy.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def changed(**thresholds: Any) -> dict[str, Any]:
    return {"version": "mine", "thresholds": {**GOOD["thresholds"], **thresholds}}  # type: ignore[dict-item]


def test_a_policy_file_sets_version_and_thresholds_in_the_order_of_the_models_labels(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, GOOD), OWN)
    assert policy == Policy("mine", OWN.labels, (Threshold(0.2, 0.7), Threshold(0.3)))
    shuffled = {"version": "mine", "thresholds": dict(reversed(changed()["thresholds"].items()))}
    assert load_policy(written(tmp_path, shuffled), OWN) == policy


@pytest.mark.parametrize(("review", "block"), [(0, 1), (0, None), (1, 1), (0.5, 0.5)])
def test_thresholds_at_their_bounds_are_taken(tmp_path: Path, review: float, block: float | None) -> None:
    policy = load_policy(written(tmp_path, changed(hate={"review": review, "block": block})), OWN)
    assert policy.thresholds[0] == Threshold(review, block)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no JSON"),
        pytest.param([], id="a list"),
        pytest.param({"thresholds": GOOD["thresholds"]}, id="no version"),
        pytest.param({**GOOD, "version": ""}, id="empty version"),
        pytest.param({**GOOD, "version": 3}, id="version is a number"),
        pytest.param({"version": "mine"}, id="no thresholds"),
        pytest.param({"version": "mine", "thresholds": {}}, id="no labels"),
        pytest.param({"version": "mine", "thresholds": ["hate", "offensive"]}, id="labels without thresholds"),
        pytest.param({"version": "mine", "thresholds": {"hate": {"review": 0.5}}}, id="a label is missing"),
        pytest.param(changed(spam={"review": 0.5}), id="a label too many"),
        pytest.param(changed(hate=0.5), id="a bare number"),
        pytest.param(changed(hate={"block": 0.5}), id="no review"),
        pytest.param(changed(hate={"review": 0.5}), id="no block"),
        pytest.param(changed(hate={"review": 0.5, "blok": 0.9}), id="block misspelt"),
        pytest.param(changed(hate={"review": True, "block": None}), id="review is a boolean"),
        pytest.param(changed(hate={"review": None}), id="review is null"),
        pytest.param(changed(hate={"review": "0.5"}), id="review is a text"),
        pytest.param(changed(hate={"review": 1.1}), id="review over 1"),
        pytest.param(changed(hate={"review": -0.1}), id="review under 0"),
        pytest.param(changed(hate={"review": float("nan")}), id="review is NaN"),
        pytest.param(changed(hate={"review": 0.5, "block": float("nan")}), id="block is NaN"),
        pytest.param(changed(hate={"review": 0.5, "block": 0.4}), id="block under review"),
        pytest.param(changed(hate={"review": 0.5, "block": 1.5}), id="block over 1"),
        pytest.param(changed(hate={"review": 0.5, "block": "0.9"}), id="block is a text"),
    ],
)
def test_any_other_policy_file_stops_the_start_and_names_the_setting(tmp_path: Path, content: object) -> None:
    with pytest.raises(Fatal, match=r"MODERATION_POLICY_FILE=.*hate, offensive"):
        load_policy(written(tmp_path, content), OWN)


def test_a_policy_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(Fatal, match="MODERATION_POLICY_FILE"):
            load_policy(path, OWN)
    (tmp_path / "latin.json").write_bytes(b'{"version": "\xe9"}')
    with pytest.raises(Fatal, match="MODERATION_POLICY_FILE"):
        load_policy(tmp_path / "latin.json", OWN)


def test_the_policy_file_decides_what_the_bundled_model_scored(tmp_path: Path) -> None:
    labels = {label: {"review": 0, "block": 0} for label in OWN.labels}
    file = written(tmp_path, {"version": "block-all", "thresholds": labels})
    decisions: list[tuple[Decision, Scores]] = []
    engine = build_engine(
        load({"MODERATION_POLICY_FILE": str(file), "MODERATION_SCORING_THREADS": "3"}, broker=False),
        limits=dict.fromkeys(Channel, sys.maxsize),
        decided=lambda decision, scores: decisions.append((decision, scores)),
    )
    record = Record(Partition("posts", 0), 7, -1, None, b'{"id": "p1", "text": "Good morning, everyone!"}')
    [prepared] = engine.prepare([record])
    assert isinstance(prepared, Scorable)
    [scores] = engine.score(prepared.windows)
    [outgoing] = engine.encode(record, Scored(prepared.post, scores, 1))
    assert outgoing.value is not None
    verdict = json.loads(outgoing.value)
    assert (verdict["action"], verdict["policy"]["version"], verdict["post_id"]) == ("block", "block-all", "p1")
    assert verdict["model"]["sha256"] == engine.bundle.sha256
    assert (engine.scoring_threads, engine.policy.labels) == (3, OWN.labels)
    assert decisions == [(Decision(verdict["action"], OWN.labels), scores)]


def test_posts_older_than_the_setting_go_to_review_unscored_without_a_dead_letter() -> None:
    decisions: list[tuple[Decision, Scores]] = []
    engine = build_engine(
        load({"MODERATION_EXPIRY_SECONDS": "60"}, broker=False),
        limits=dict.fromkeys(Channel, sys.maxsize),
        decided=lambda decision, scores: decisions.append((decision, scores)),
    )
    now = int(time.time() * 1000)
    value = b'{"id": "p1", "text": "Good morning, everyone!"}'
    old, unknown, fresh, future = (
        Record(Partition("posts", 0), offset, timestamp, None, value)
        for offset, timestamp in enumerate((now - 61_000, -1, now, now + 3_600_000))
    )
    no_post = Record(Partition("posts", 0), 4, now - 61_000, None, b"no JSON")
    expired, *others, rejected = engine.prepare([old, unknown, fresh, future, no_post])
    assert all(isinstance(found, Scorable) for found in others)
    assert isinstance(rejected, Rejected)
    assert isinstance(expired, Expired)
    [outgoing] = engine.encode(old, expired)
    verdict = json.loads(outgoing.value or b"")
    validator("verdict.v1").validate(verdict)
    assert outgoing.channel is Channel.OUTPUT
    assert (verdict["action"], verdict["reason"], verdict["labels"], verdict["scores"]) == ("review", "expired", [], {})
    assert decisions == [(Decision(Action.REVIEW, ("expired",)), ())]
    [scorable] = engine.prepare([fresh])
    assert isinstance(scorable, Scorable)
    [scored] = engine.encode(old, Scored(scorable.post, (0.1,) * len(engine.policy.labels), 1))
    assert json.loads(scored.value or b"")["event_id"] != verdict["event_id"]


def test_without_the_setting_no_post_is_too_old() -> None:
    engine = build_engine(load({}, broker=False), limits=dict.fromkeys(Channel, sys.maxsize))
    [found] = engine.prepare([Record(Partition("posts", 0), 0, 0, None, b'{"id": "p1", "text": "from 1970"}')])
    assert isinstance(found, Scorable)
