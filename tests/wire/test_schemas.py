import re
from importlib import resources
from pathlib import Path

import orjson
import pytest

import worker
from worker.core.errors import Reason
from worker.wire.schemas import schema_text, validator

ROOT = Path(worker.__file__).parent.parent / "schemas"
NAMES = ("post", "verdict", "dead-letter", "redriven")
OURS = tuple(f"{name}." for name in NAMES)


def examples(kind: str) -> list[Path]:
    return sorted(path for path in (ROOT / "examples" / kind).glob("*.json") if path.name.startswith(OURS))


def schema_of(example: Path) -> str:
    return example.name.split(".")[0] + ".v1"


@pytest.mark.parametrize("example", examples("valid"), ids=lambda path: path.name)
def test_a_valid_example_is_accepted(example: Path) -> None:
    validator(schema_of(example)).validate(orjson.loads(example.read_bytes()))


@pytest.mark.parametrize("example", examples("invalid"), ids=lambda path: path.name)
def test_an_invalid_example_is_refused_for_one_thing(example: Path) -> None:
    errors = list(validator(schema_of(example)).iter_errors(orjson.loads(example.read_bytes())))
    assert len(errors) == 1, [error.message for error in errors]


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_of_a_schema_has_an_example_that_breaks_it(name: str) -> None:
    """Each constraining keyword is broken by one of the invalid examples, or the rule is untested."""
    broken = {
        error.kind.name
        for example in examples("invalid")
        if example.name.startswith(f"{name}.")
        for error in validator(f"{name}.v1").iter_errors(orjson.loads(example.read_bytes()))
    }
    keywords = {
        "type",
        "required",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
        "minimum",
        "maximum",
        "format",
        "const",
        "enum",
    }
    used = set(re.findall(r'"(\w+)":', schema_text(f"{name}.v1").decode())) & (keywords | {"uniqueItems"})
    unbroken = {"verdict": {"minLength", "maxLength", "maxItems"}, "dead-letter": {"maxLength"}}
    assert used - broken <= unbroken.get(name, set())


@pytest.mark.parametrize("name", NAMES)
def test_version_one_admits_fields_of_later_versions(name: str) -> None:
    assert b'additionalProperties":false' not in schema_text(f"{name}.v1").replace(b" ", b"")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_keeps_to_the_published_pattern(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", reason.value)


def test_a_schema_that_does_not_exist_is_an_error_that_says_so() -> None:
    with pytest.raises(FileNotFoundError, match=r"schema none\.v9"):
        schema_text("none.v9")


def test_an_installed_package_finds_its_schemas_beside_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "worker" / "schemas"
    inside.mkdir(parents=True)
    (inside / "post.v1.json").write_bytes(b'{"type": "object"}')
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path / "worker")
    assert schema_text.__wrapped__("post.v1") == b'{"type": "object"}'
