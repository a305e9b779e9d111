"""The demo against a real Kafka: in topics of its own, which it creates."""

import re
import subprocess
import sys

import pytest

from tests.harness import Kafka

pytestmark = pytest.mark.broker


def _demo(kafka: Kafka) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "worker",
            "demo",
            "--posts",
            "8",
            "--rate",
            "50",
            "--bootstrap-servers",
            kafka.bootstrap,
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_real_kafka_gets_the_topics_and_a_second_run_shows_its_own_posts_alone(kafka: Kafka) -> None:
    first, second = _demo(kafka), _demo(kafka)

    for done in (first, second):
        assert (done.returncode, done.stderr) == (0, "")
        assert len(re.findall(r"^\d\d:\d\d:\d\d  ", done.stdout, re.MULTILINE)) == 8
        assert re.search(r"^8 posts: .*, 1 deleted; 1 to the dead letters; ", done.stdout, re.MULTILINE)
