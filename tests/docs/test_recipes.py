"""docs/recipes.md does what it says: its Python on a real broker, its commands as written, its JSON parsed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Kafka
from tests.harness.topics import create_topic, produce, read_all

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
SECONDS = 240.0
"""A bound, not an expectation: a busy machine takes its time."""


def blocks(language: str) -> list[str]:
    """All blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@contextmanager
def running(script: str, bootstrap: str) -> Iterator["subprocess.Popen[str]"]:
    """A script of the page, in a process of its own that ends with the test."""
    env = {"PATH": os.environ["PATH"], "MODERATION_BOOTSTRAP_SERVERS": bootstrap}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def shell(script: str) -> Any:
    """The one verdict that a command of the page writes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODERATION_")}
    env = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-ec", script], env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    return json.loads(line)


def verdict(post: str, revision: int | None, offset: int, action: str) -> tuple[bytes, bytes]:
    """As much of a verdict as a platform reads."""
    content = {"post_id": post, "revision": revision, "action": action, "source": {"offset": offset}}
    return post.encode(), json.dumps(content).encode()


def test_page_has_the_blocks_that_are_tried_here() -> None:
    assert [len(blocks(language)) for language in ("python", "sh", "json")] == [2, 2, 2]


@pytest.mark.broker
async def test_posting_puts_a_post_under_its_id() -> None:
    with Kafka() as kafka:
        await create_topic(kafka.bootstrap, "posts", 2)
        with running(blocks("python")[0], kafka.bootstrap) as script:
            assert script.wait(SECONDS) == 0, script.communicate()
        [record] = await read_all(kafka.bootstrap, "posts")
    assert record.key == b"42"
    assert json.loads(record.value or b"")["text"] == "Hello out there!"


@pytest.mark.broker
async def test_verdicts_are_acted_on_once_and_the_newest_counts() -> None:
    records = [
        verdict("1", None, 0, "allow"),
        verdict("2", 1, 1, "review"),
        verdict("2", 2, 2, "block"),
        verdict("2", 1, 1, "review"),  # a repeat of the older
        verdict("2", 2, 2, "block"),  # and of the newer
        verdict("1", None, 5, "quarantine"),  # an action of a later version
        verdict("end", 0, 9, "allow"),
    ]
    with Kafka() as kafka:
        await create_topic(kafka.bootstrap, "verdicts", 1)
        await produce(kafka.bootstrap, "verdicts", records)
        with running(blocks("python")[1], kafka.bootstrap) as script:
            assert script.stdout is not None
            acted = []
            for line in script.stdout:
                acted.append(line.strip())
                if line.startswith("end"):
                    break
    assert acted == ["1: allow", "2: review", "2: block", "1: review", "end: allow"]


def test_deleted_post_stays_deleted_when_its_verdict_is_repeated() -> None:
    space: dict[str, Any] = {"__name__": "recipe"}
    exec(blocks("python")[1].removesuffix("asyncio.run(main())\n"), space)  # noqa: S102 - the page's own code
    news = [
        space["is_news"]("1", 3, 10),
        space["is_news"]("1", None, 20),  # deleted
        space["is_news"]("1", 3, 10),
        space["is_news"]("1", None, 20),
        space["is_news"]("1", 4, 30),  # written anew
    ]
    assert news == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, {"post_id": "42", "language": "en"}), (1, {"post_id": "42", "revision": 3})],
)
def test_mapping_finds_the_fields(number: int, expected: Mapping[str, object]) -> None:
    found = shell(blocks("sh")[number])
    assert expected.items() <= found.items()
    assert found["scores"]


def test_connectors_are_json_of_strings() -> None:
    """As Kafka Connect wants it."""
    for block in blocks("json"):
        assert {type(value) for value in json.loads(block).values()} == {str}


def test_topics_are_those_of_the_example_for_kubernetes() -> None:
    kubernetes = (ROOT / "deploy" / "kubernetes" / "components" / "strimzi" / "topics.yaml").read_text(encoding="utf-8")
    made = re.findall(r"^    topic (\S+) +--partitions (\d+) +--config retention\.ms=(\d+)$", PAGE, re.MULTILINE)
    there = re.findall(
        r"topicName: (\S+)\n  partitions: (\d+)\n.*?retention\.ms: (\d+)\n", kubernetes, re.MULTILINE | re.DOTALL
    )
    assert made == there
    assert len(made) == 3
