"""`classify` as a user meets it: files, pipes, exit codes, and the same scores whatever the order of the lines."""

import json
import os
import pty
import random
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from worker.cli import main
from worker.demo.samples import SAMPLES, Post

COMMAND = (sys.executable, "-m", "worker", "classify")
SECONDS = 60
POSTS = [{"id": f"p{number}", "text": s.text} for number, s in enumerate(SAMPLES) if isinstance(s, Post)]
# A pipe's writer must not depend on our flushing being Python's.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def lines(*posts: object) -> bytes:
    return b"".join(json.dumps(post).encode() + b"\n" for post in posts)


def verdicts(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def classified(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, timeout=SECONDS, check=False, env=BUFFERED
    )


pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def posts_file(tmp_path: Path) -> Path:
    file = tmp_path / "posts.jsonl"
    file.write_bytes(lines(*POSTS))
    return file


def test_file_gives_a_verdict_for_each_post_in_order(posts_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "verdicts.jsonl"

    assert main(["classify", str(posts_file), "--output", str(output)]) == 0

    found = verdicts(output.read_bytes())
    assert [verdict["post_id"] for verdict in found] == [post["id"] for post in POSTS]
    assert [verdict["source"]["offset"] for verdict in found] == list(range(len(POSTS)))
    assert all(0 < score < 1 for verdict in found for score in verdict["scores"].values())


def test_stdin_goes_to_stdout_and_nothing_but_verdicts(posts_file: Path) -> None:
    done = classified(stdin=posts_file.read_bytes())

    assert done.returncode == 0
    assert [verdict["post_id"] for verdict in verdicts(done.stdout)] == [post["id"] for post in POSTS]
    assert done.stderr.decode().startswith(f"{len(POSTS)} posts: ")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_are_the_same_bit_for_bit_in_any_order_of_lines(seed: int, posts_file: Path, tmp_path: Path) -> None:
    shuffled, first, second = tmp_path / "shuffled.jsonl", tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    others = random.Random(seed).sample(POSTS, len(POSTS))
    shuffled.write_bytes(lines(*others))

    assert main(["classify", str(posts_file), "--output", str(first)]) == 0
    assert main(["classify", str(shuffled), "--output", str(second)]) == 0

    assert [verdict["post_id"] for verdict in verdicts(second.read_bytes())] == [post["id"] for post in others]
    scores = [
        {verdict["post_id"]: verdict["scores"] for verdict in verdicts(file.read_bytes())} for file in (first, second)
    ]
    assert scores[0] == scores[1]


def test_last_line_without_a_newline_and_blank_lines_lose_nothing(tmp_path: Path) -> None:
    file, output = tmp_path / "posts.jsonl", tmp_path / "verdicts.jsonl"
    file.write_bytes(b'\n{"id": "a", "text": "one"}\r\n\n   \n{"id": "b", "text": "two"}')

    assert main(["classify", str(file), "--output", str(output)]) == 0

    assert [(v["post_id"], v["source"]["offset"]) for v in verdicts(output.read_bytes())] == [("a", 1), ("b", 4)]


def test_byte_order_mark_is_no_part_of_the_first_line(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, output = tmp_path / "posts.jsonl", tmp_path / "verdicts.jsonl"
    mark = b"\xef\xbb\xbf"
    file.write_bytes(mark + lines({"id": "a", "text": "one"}) + mark + lines({"id": "b", "text": "two"}))

    assert main(["classify", str(file), "--output", str(output)]) == 0

    assert [(v["post_id"], v.get("reason")) for v in verdicts(output.read_bytes())] == [("a", None), ("b", "not_json")]
    assert "line 2: not_json: " in capfd.readouterr().err  # it belongs at the beginning alone


def test_lines_longer_than_a_read_are_whole(tmp_path: Path) -> None:
    file, output = tmp_path / "posts.jsonl", tmp_path / "verdicts.jsonl"
    padding = "x" * 2_500_000  # an unknown field: ignored, but read
    file.write_bytes(lines({"id": "a", "text": "one", "other": padding}, {"id": "b", "text": "two"}))

    assert main(["classify", str(file), "--output", str(output)]) == 0

    assert [verdict["post_id"] for verdict in verdicts(output.read_bytes())] == ["a", "b"]


def test_bad_lines_stop_nothing_and_lie_in_the_dead_letters_as_they_were(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, output, dead = tmp_path / "posts.jsonl", tmp_path / "verdicts.jsonl", tmp_path / "dead.jsonl"
    file.write_bytes(b'{"id": "a", "text": "one"}\nnot json: secret\n{"id": "b"}\n{"id": "c", "text": "three"}\n')

    status = main(["classify", str(file), "--output", str(output), "--dead-letters", str(dead)])

    assert status == 0
    found = [
        (verdict["post_id"], verdict["action"], verdict.get("reason")) for verdict in verdicts(output.read_bytes())
    ]
    assert [post for post, _, _ in found] == ["a", "b", "c"]
    assert found[1] == ("b", "review", "schema")
    letters = verdicts(dead.read_bytes())
    assert [(letter["offset"], letter["reason"], letter["value"]) for letter in letters] == [
        ("1", "not_json", "not json: secret"),
        ("2", "schema", '{"id": "b"}'),
    ]
    [summary] = capfd.readouterr().err.splitlines()  # and no line for each, which the file has
    assert summary.startswith("3 posts: ")
    assert "; 2 dead letters; " in summary


def test_bad_lines_are_named_by_number_and_not_shown(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_bytes(b'{"id": "a", "text": "one"}\nnot json: secret\n')

    assert main(["classify", str(file), "--output", os.devnull]) == 0

    error = capfd.readouterr().err
    assert "line 2: not_json: " in error
    assert "secret" not in error


def test_empty_file_ends_with_0_and_an_empty_output(tmp_path: Path) -> None:
    file, output = tmp_path / "posts.jsonl", tmp_path / "verdicts.jsonl"
    file.touch()

    assert main(["classify", str(file), "--output", str(output)]) == 0

    assert output.read_bytes() == b""


def test_missing_file_ends_with_1_and_is_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["classify", str(tmp_path / "nowhere.jsonl")]) == 1

    assert "nowhere.jsonl: cannot be opened: No such file" in capfd.readouterr().err


def test_wrong_bundle_is_named_and_the_output_left_alone(
    capfd: pytest.CaptureFixture[str], posts_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "verdicts.jsonl"
    output.write_bytes(b"of yesterday\n")

    assert main(["classify", str(posts_file), "--bundle", str(tmp_path), "--output", str(output)]) == 1

    assert f"bundle {tmp_path}" in capfd.readouterr().err
    assert output.read_bytes() == b"of yesterday\n"


@pytest.mark.parametrize("option", [[], ["--output", "/dev/full"]])
def test_full_disk_ends_with_1_and_one_line(option: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *option],
            input=lines(*POSTS),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
            env=BUFFERED,
        )

    assert done.returncode == 1
    error = done.stderr.decode()
    assert "No space left on device" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("posts", [1, 3000])
def test_reader_that_leaves_ends_it_quietly(posts: int) -> None:
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BUFFERED
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None  # communicate must not read it
    _, error = process.communicate(lines(*(POSTS * 100)[:posts]), timeout=SECONDS)

    assert (process.returncode, error) == (1, b"")


def test_verdicts_reach_a_pipe_while_the_input_stays_open_and_ctrl_c_ends_it() -> None:
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BUFFERED
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(lines(POSTS[0]))
    process.stdin.flush()
    verdict = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    status = process.wait(SECONDS)
    _, error = process.communicate()

    assert verdict["post_id"] == POSTS[0]["id"]
    assert status == 130
    assert error.startswith(b"1 posts: ")


def test_progress_is_shown_on_a_terminal_alone(posts_file: Path) -> None:
    assert b"%|" in _on_terminal(str(posts_file))
    assert b"%|" not in _on_terminal(str(posts_file), "--no-progress")
    assert b"%|" not in classified(str(posts_file)).stderr


def _on_terminal(*arguments: str) -> bytes:
    """What `classify` writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    try:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0
        return os.read(ours, 65_536)
    finally:
        os.close(ours)
        os.close(theirs)
