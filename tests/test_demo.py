"""The demo as a user meets it: a process of its own, and what it prints."""

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.cells import cell_len
from rich.console import Console

from worker import demo
from worker.core.errors import Fatal
from worker.demo.samples import SAMPLES, Deleted, Post, Raw, shown, value_of
from worker.demo.screen import Row, Screen, scores_text
from worker.wire.decode import LONGEST_ID_BYTES

COMMAND = (sys.executable, "-m", "worker", "demo")
DEMO_SECONDS = 90
ROW = re.compile(r"\d\d:\d\d:\d\d  (allow|review|block|deleted|dead letter) +post-\d+ ")


@contextmanager
def running(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """A demo as a child process, killed at the end where it still runs."""
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process: "subprocess.Popen[str]", wanted: str) -> str:
    """Read lines up to the first that contains `wanted`; return it."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if wanted in line:
            return line
    raise AssertionError(f"{wanted!r} never came: {seen}")


def test_twelve_posts_each_show_what_became_of_them_and_end_with_0() -> None:
    # Settings meant for another Kafka, right or wrong, are none of the demo's business.
    others = {"MODERATION_INPUT_TOPIC": "not a topic!", "MODERATION_TYPO": "1", "MODERATION_SECURITY_PROTOCOL": "SSL"}

    done = subprocess.run(
        [*COMMAND, "--posts", "12", "--rate", "50"],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | others,
        timeout=DEMO_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^Metrics: http://127\.0\.0\.1:[1-9]\d*/metrics ", done.stdout, re.MULTILINE)
    assert re.search(r"^Order holds within a partition: .*\ntime +action +post ", done.stdout, re.MULTILINE)
    rows = [found for line in done.stdout.splitlines() if (found := ROW.match(line))]
    actions = Counter(found[1] for found in rows)
    # Eleven of the twelve get a row on the output topic, and of these the one without a text a dead letter too.
    assert (actions["deleted"], actions["dead letter"]) == (1, 2)
    assert actions["allow"] + actions["review"] + actions["block"] == 10
    assert len({found[0].split()[-1] for found in rows}) == 11  # the tombstone is of a post that has a verdict
    assert len(re.findall(r"  [a-z_]+ [01]\.\d\d  ", done.stdout)) >= 9
    *_, summary = done.stdout.splitlines()
    counted = f"12 posts: {actions['allow']} allow, {actions['review']} review, {actions['block']} block, 1 deleted"
    assert summary.startswith(f"{counted}; 2 to the dead letters; median latency ")


def test_ctrl_c_ends_cleanly_with_a_summary_and_metrics_were_served() -> None:
    with running("--rate", "20") as process:
        url = until(process, "Metrics: ").split()[1]
        until(process, "allow")
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the demo printed it
            metrics = answer.read().decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEMO_SECONDS)

    assert (process.returncode, err) == (0, "")
    assert re.search(r"^\d+ posts: \d+ allow", out, re.MULTILINE)
    assert re.search(r"^moderation_messages_consumed_total [1-9]", metrics, re.MULTILINE)


def test_ctrl_c_while_the_model_loads_ends_without_a_traceback() -> None:
    with running() as process:
        until(process, "Loading the model")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEMO_SECONDS)

    assert process.returncode in {0, 130}
    assert "Traceback" not in out + err


def test_reader_that_leaves_ends_it_without_a_traceback() -> None:
    with running("--rate", "50") as process:
        until(process, "allow")
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        status = process.wait(DEMO_SECONDS)

    assert status == 1
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda _name: None)

    with pytest.raises(Fatal, match=r"pip install '\.\[demo\]'"):
        demo.main(argparse.Namespace(posts=1, rate=1.0, bootstrap_servers=None, http_port=0))


def test_unreachable_kafka_of_ones_own_names_the_address() -> None:
    done = subprocess.run(
        [*COMMAND, "--bootstrap-servers", "127.0.0.1:1"],
        capture_output=True,
        encoding="utf-8",
        timeout=DEMO_SECONDS,
        check=False,
    )

    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_samples_begin_with_every_kind_and_are_encodable() -> None:
    assert {type(sample) for sample in SAMPLES[:12]} == {Post, Raw, Deleted}
    assert not isinstance(SAMPLES[0], Deleted)  # the post before it is deleted
    assert len(set(map(shown, SAMPLES))) == len(SAMPLES)
    for sample in SAMPLES:
        value = value_of(sample, "x" * LONGEST_ID_BYTES)
        assert (value is None) == isinstance(sample, Deleted)
        assert shown(sample).isprintable()


def _printed(row: Row, *, terminal: bool, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None, highlight=False)
    Screen(console).row(row)
    return out.getvalue()


@pytest.mark.parametrize("text", ["short", "x" * 500, "🦆" * 300])
def test_row_fits_one_line_of_the_terminal(text: str) -> None:
    line = _printed(Row("allow", "post-1", "hate 0.02", text), terminal=True, width=100)

    assert line.count("\n") == 1
    assert cell_len(line.rstrip("\n")) <= 100


def test_row_is_a_plain_whole_line_where_there_is_no_terminal() -> None:
    line = _printed(Row("block", "post-1", "hate 0.99", "so [bold]it[/bold] is"), terminal=False, width=20)

    assert (
        line.split(maxsplit=1)[1]
        == "block        post-1      hate 0.99                           so [bold]it[/bold] is\n"
    )


def test_many_labels_show_the_highest_scores() -> None:
    assert scores_text({"a": 0.1, "b": 0.9, "c": 0.25, "d": 0.5}) == "b 0.90  d 0.50  c 0.25"
