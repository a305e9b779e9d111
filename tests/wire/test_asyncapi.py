"""schemas/asyncapi.yaml is AsyncAPI 3.0, its examples fit, and what is really written is what it describes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.wire.build import POST, encoder, record
from tests.wire.published import SCORED
from worker.core.errors import Reason, Rejected
from worker.core.types import Headers, Outgoing, Partition, Record, Tombstone
from worker.redrive import marks
from worker.redrive.letters import HISTORY_HEADER, Origin, read
from worker.settings import Settings
from worker.wire.dead_letter import ORIGINAL_PREFIX
from worker.wire.sizes import PASSED_HEADERS

SCHEMAS = Path(__file__).parents[2] / "schemas"
OFFICIAL = Path(__file__).with_name("asyncapi") / "3.0.0.json"
DOCUMENT: Any = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8"))
MESSAGES = sorted(DOCUMENT["components"]["messages"])
ALL_PASSED: Headers = tuple((name, b"1") for name in PASSED_HEADERS)


def resolved(node: Any) -> Any:
    """`node` with what it refers to in its place. KeyError and FileNotFoundError where a reference leads nowhere."""
    if isinstance(node, dict):
        if (target := node.get("$ref", "")).startswith("#/"):
            place = DOCUMENT
            for step in target[2:].split("/"):
                place = place[step]
            return resolved(place)
        if target.startswith("./"):
            return json.loads((SCHEMAS / target).read_bytes())
        return {name: resolved(value) for name, value in node.items()}
    return [resolved(item) for item in node] if isinstance(node, list) else node


def schema(message: str, part: str) -> Any:
    """Of a message's headers or payload, whichever way it is given."""
    found = resolved(DOCUMENT["components"]["messages"][message][part])
    return found.get("schema", found) if "schemaFormat" in found else found


def check(schema: Any, value: object) -> None:
    jsonschema_rs.Draft202012Validator(schema).validate(value)


def described(schema: Any) -> Iterator[str]:
    """Names of properties, those of `allOf` too."""
    yield from schema.get("properties", {})
    for part in schema.get("allOf", []):
        yield from described(part)


def check_headers(message: str, headers: Headers) -> None:
    """They fit, and each is described."""
    wanted = schema(message, "headers")
    check(wanted, {name: value.decode() for name, value in headers})
    own = {name for name, _ in headers if not name.startswith(ORIGINAL_PREFIX)}
    assert own - set(described(wanted)) == set()


def test_document_is_asyncapi() -> None:
    official = jsonschema_rs.Draft7Validator(json.loads(OFFICIAL.read_bytes()))
    assert [error.message for error in official.iter_errors(DOCUMENT)] == []
    assert not official.is_valid(DOCUMENT | {"channels": {"posts": {"adress": "posts"}}})
    assert resolved(DOCUMENT)["channels"].keys() == DOCUMENT["channels"].keys()


def test_addresses_are_the_topics_of_the_settings() -> None:
    settings = Settings()
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values()]
    assert addresses == [settings.input_topic, settings.output_topic, settings.dead_letter_topic]


@pytest.mark.parametrize("message", MESSAGES)
def test_message_is_of_a_channel_and_its_examples_fit(message: str) -> None:
    channels = resolved(DOCUMENT["channels"]).values()
    assert any(message in channel["messages"] for channel in channels)
    examples = DOCUMENT["components"]["messages"][message]["examples"]
    assert examples
    for example in examples:
        check(schema(message, "headers"), example["headers"])
        check(schema(message, "payload"), example.get("payload"))
        if HISTORY_HEADER in example["headers"]:
            check(
                resolved(DOCUMENT["components"]["schemas"]["failure"]), json.loads(example["headers"][HISTORY_HEADER])
            )


def test_every_passed_header_is_described_everywhere() -> None:
    for message in ("post", "deletion", "verdict", "forwardedDeletion", "deadLetter"):
        assert set(PASSED_HEADERS) <= set(described(schema(message, "headers")))


@pytest.mark.parametrize(
    ("outgoing", "message"),
    [
        (encoder()(record(headers=ALL_PASSED), SCORED)[0], "verdict"),
        (encoder(output=10_000)(record(key=b"k" * 20_000), SCORED)[0], "verdict"),
        (encoder()(record(headers=ALL_PASSED), Rejected(Reason.SCHEMA, "why", POST))[1], "verdict"),
        (encoder()(record(headers=ALL_PASSED), Rejected(Reason.SCHEMA, "why", POST))[0], "deadLetter"),
        (
            encoder(dead_letter=10_000)(record(b"x" * 20_000, b"k" * 20_000), Rejected(Reason.SCHEMA, ""))[0],
            "deadLetter",
        ),
        (encoder()(record(None, None), Tombstone())[0], "deadLetter"),
        (encoder()(record(None, headers=ALL_PASSED), Tombstone())[0], "forwardedDeletion"),
    ],
)
def test_what_the_worker_writes_is_what_is_described(outgoing: Outgoing, message: str) -> None:
    check_headers(message, outgoing.headers)
    value = outgoing.value if outgoing.value is None or message != "verdict" else json.loads(outgoing.value)
    check(schema(message, "payload"), value.decode() if isinstance(value, bytes) else value)


def test_what_redrive_writes_is_what_is_described() -> None:
    key, value, headers = marks.encode("my_posts.v1", [Origin(3, 9127, 1_773_500_966_535), Origin(0, 41, -1)])
    check_headers("redriven", headers)
    check(schema("redriven", "payload"), json.loads(value))
    check(DOCUMENT["components"]["messages"]["redriven"]["bindings"]["kafka"]["key"], key.decode())

    [outgoing] = encoder()(record(headers=ALL_PASSED), Rejected(Reason.NOT_JSON, "why"))
    letter = read(Record(Partition("dead-letters", 0), 17, 5, outgoing.key, outgoing.value, outgoing.headers))
    assert letter is not None
    check_headers("post", letter.headers())
    check(resolved(DOCUMENT["components"]["schemas"]["failure"]), json.loads(dict(letter.headers())[HISTORY_HEADER]))
