"""Where `classify` may write: never over its input, and never two outputs into one file, under whatever names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.cli import main

COMMAND = (sys.executable, "-m", "worker", "classify")
SECONDS = 60


pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def posts_file(tmp_path: Path) -> Path:
    file = tmp_path / "posts.jsonl"
    file.write_bytes(b'{"id": "a", "text": "one"}\nno post\n')
    return file


def test_output_over_the_input_is_refused_and_nothing_lost(posts_file: Path) -> None:
    before = posts_file.read_bytes()

    assert main(["classify", str(posts_file), "--output", str(posts_file)]) == 1

    assert posts_file.read_bytes() == before


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_one_file_for_verdicts_and_dead_letters_is_refused_and_left_alone(
    there: bool, link: str, capfd: pytest.CaptureFixture[str], posts_file: Path, tmp_path: Path
) -> None:
    output, other = tmp_path / "output.jsonl", tmp_path / "other.jsonl"
    if there or link == "hard":
        output.write_bytes(b"of yesterday\n")
    match link:
        case "same":
            other = tmp_path / "." / ".." / tmp_path.name / output.name
        case "symbolic":
            other.symlink_to(output)
        case "hard":
            other.hardlink_to(output)

    status = main(["classify", str(posts_file), "--output", str(output), "--dead-letters", str(other)])

    assert status == 1
    assert "both --output and --dead-letters" in capfd.readouterr().err
    assert not output.exists() or output.read_bytes() == b"of yesterday\n"


def test_stdout_that_is_the_file_of_the_dead_letters_is_refused(posts_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "output.jsonl"
    with output.open("wb") as stdout:
        done = subprocess.run(
            [*COMMAND, str(posts_file), "--dead-letters", str(output)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )

    assert done.returncode == 1
    assert b"both --output and --dead-letters" in done.stderr


def test_both_outputs_to_a_device_are_let_pass(posts_file: Path) -> None:
    assert main(["classify", str(posts_file), "--output", os.devnull, "--dead-letters", os.devnull]) == 0


def test_dead_letters_over_the_input_are_refused_and_verdicts_of_yesterday_kept(
    posts_file: Path, tmp_path: Path
) -> None:
    before, output = posts_file.read_bytes(), tmp_path / "output.jsonl"
    output.write_bytes(b"of yesterday\n")

    assert main(["classify", str(posts_file), "--output", str(output), "--dead-letters", str(posts_file)]) == 1

    assert (posts_file.read_bytes(), output.read_bytes()) == (before, b"of yesterday\n")
