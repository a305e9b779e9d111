import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from worker.core.errors import Fatal
from worker.core.policy import Threshold
from worker.model.manifest import parse_manifest
from worker.settings.fields import BUNDLED_MODEL
from worker.text.options import Normalisation

SCHEMAS = Path(__file__).parents[2] / "schemas"
SCHEMA = jsonschema_rs.Draft202012Validator(json.loads((SCHEMAS / "bundle.v1.json").read_text()))
VALID = sorted((SCHEMAS / "examples" / "valid").glob("bundle.*.json"))
INVALID = sorted((SCHEMAS / "examples" / "invalid").glob("bundle.*.json"))
CROSSED = {"review": 0.6, "block": 0.5}
TWO_LABELS = SCHEMAS / "examples" / "valid" / "bundle.two-labels.json"


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_example_passes_schema_and_loader(path: Path) -> None:
    SCHEMA.validate(json.loads(path.read_bytes()))
    manifest = parse_manifest(path.read_bytes())
    SCHEMA.validate(json.loads(manifest.model_dump_json(by_alias=True)))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_example_fails_schema_and_loader(path: Path) -> None:
    assert not SCHEMA.is_valid(json.loads(path.read_bytes()))
    with pytest.raises(Fatal, match=r"^manifest\.json: "):
        parse_manifest(path.read_bytes())


def test_examples_of_both_kinds_exist() -> None:
    assert len(VALID) > 1
    assert len(INVALID) > 1


def test_bundled_manifest_passes_its_schema() -> None:
    SCHEMA.validate(json.loads((BUNDLED_MODEL / "manifest.json").read_bytes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem_type": "regression"}, "problem_type"),
        ({"overlap": 64}, "overlap"),
        ({"labels": ["hate", "insult"]}, "policy.thresholds"),
        ({"labels": ["hate"], "problem_type": "single_label_classification"}, "at least two"),
        ({"max_length": "128"}, "max_length"),
        ({"max_length": 4}, "max_length"),
        ({"normalisation": {"emoji": "drop"}}, "emoji is keep or names, not 'drop'"),
        ({"normalisation": {"case": "lower"}}, "no option 'case'"),
        ({"normalisation": "names"}, "normalisation"),
        ({"normalisation": None}, "normalisation"),
        ({"policy": {"version": "t", "thresholds": {}}}, "policy.thresholds"),
        ({"policy": {"version": "t", "thresholds": {"hate": CROSSED, "offensive": CROSSED}}}, "below review"),
    ],
)
def test_inconsistent_manifest_is_refused_naming_the_field(change: dict[str, Any], message: str) -> None:
    content = {**json.loads(TWO_LABELS.read_bytes()), **change}
    with pytest.raises(Fatal, match=message):
        parse_manifest(json.dumps(content).encode())


def test_manifest_without_normalisation_keeps_the_text_and_one_with_it_says_what_changes() -> None:
    content = json.loads(TWO_LABELS.read_bytes())
    assert parse_manifest(json.dumps(content).encode()).normalisation == Normalisation()
    content["normalisation"] = {"emoji": "names"}
    assert parse_manifest(json.dumps(content).encode()).normalisation == Normalisation(emoji="names")


def test_schema_knows_the_very_options_of_the_normaliser() -> None:
    properties = json.loads((SCHEMAS / "bundle.v1.json").read_text())["properties"]["normalisation"]["properties"]
    known = {field.name: list(get_args(field.type)) for field in fields(Normalisation)}
    assert {name: rule["enum"] for name, rule in properties.items()} == known


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_manifest_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Fatal, match="manifest"):
        parse_manifest(raw)


def test_policy_follows_the_order_of_the_labels() -> None:
    content = json.loads(TWO_LABELS.read_bytes())
    content["labels"] = ["offensive", "hate"]
    policy = parse_manifest(json.dumps(content).encode()).as_policy()
    assert policy.labels == ("offensive", "hate")
    hate = content["policy"]["thresholds"]["hate"]
    assert policy.thresholds[1] == Threshold(hate["review"], hate["block"])
