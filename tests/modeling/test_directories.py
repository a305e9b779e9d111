"""Directories that are written aside: whole or not at all, and by one run at a time."""

from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.modeling.encoders.directories import written_aside


def test_second_run_is_refused_and_leaves_the_first_ones_files_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with written_aside(out) as folder:
        (folder / "file").write_text("first")
        with pytest.raises(Fatal, match="another run writes to it"), written_aside(out):
            pytest.fail("both write")
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("file", "first")]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_not_taken_over(tmp_path: Path) -> None:
    left = tmp_path / ".out.partial"
    (left / "folder").mkdir(parents=True)
    (left / "half").write_text("of it")
    with written_aside(tmp_path / "out") as folder:
        (folder / "file").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "file"]


def test_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="out: cannot be written"), written_aside(tmp_path / "out") as folder:
        (folder / "no folder" / "file").touch()
    assert not list(tmp_path.iterdir())
