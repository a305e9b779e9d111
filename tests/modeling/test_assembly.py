"""Whoever is killed while a bundle takes its place leaves the old one, the new one, or what the next call replaces."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.model.bundle import file_sha256, load_bundle
from worker.modeling.export.assembly import assembled
from worker.settings.fields import BUNDLED_MODEL

OPERATIONS = ("mkdir", "rmdir", "unlink", "rename", "replace")


class Killed(BaseException):
    """A process that is gone does nothing more: no clean-up either."""


def write_bundle(folder: Path, version: str) -> None:
    """The bundled model with another version, and in each file something of its own."""
    golden = (BUNDLED_MODEL / "golden.jsonl").read_text().splitlines(keepends=True)
    (folder / "golden.jsonl").write_text("".join(golden[int(version) :]))
    (folder / "tokenizer.json").write_text(version)
    (folder / "reference.json").write_text(version)
    (folder / "model.onnx").write_bytes(b"graph " + version.encode())
    manifest = json.loads((BUNDLED_MODEL / "manifest.json").read_text())
    files = {name: file_sha256(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": version, "files": files}))
    (folder / "export.json").write_text(version)


def version_of(folder: Path) -> str:
    try:
        return load_bundle(folder).version
    except Fatal:
        return "none"


def dies_at(number: int, operation: Callable[[], None]) -> bool:
    """Whether `operation` is over before its change number `number` to the file system, at which it dies."""
    done = 0

    def dying(real: Callable[..., None]) -> Callable[..., None]:
        def count(*arguments: object, **named: object) -> None:
            nonlocal done
            done += 1
            if done >= number:
                raise Killed
            real(*arguments, **named)

        return count

    with pytest.MonkeyPatch.context() as patch:
        for name in OPERATIONS:
            patch.setattr(os, name, dying(getattr(os, name)))
        try:
            operation()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("old", ["absent", "empty", "bundle"])
def test_death_at_any_step_leaves_what_the_next_export_replaces(old: str, tmp_path: Path) -> None:
    out, seen, number = tmp_path / "bundle", [], 0

    def write(version: str) -> None:
        with assembled(out) as aside:
            write_bundle(aside, version)

    dies = True
    while dies:
        number += 1
        shutil.rmtree(out, ignore_errors=True)
        if old != "absent":
            out.mkdir()
        if old == "bundle":
            write_bundle(out, "1")
            (out / "MODEL_CARD.md").write_text("of the first")
            (out / "notes.txt").write_text("mine")
        dies = dies_at(number, lambda: write("2"))
        seen.append(version_of(out))
        assert not (seen[-1] == "2" and (out / "MODEL_CARD.md").exists())
        write("3")
        assert version_of(out) == "3"
        assert (out / "export.json").read_text() == "3"
        assert (out / "notes.txt").exists() == (old == "bundle")
        assert list(tmp_path.iterdir()) == [out]
    assert seen[0] == ("1" if old == "bundle" else "none")
    assert seen[-1] == "2"
    assert number > (8 if old == "bundle" else 1)


def test_file_in_the_place_of_a_bundle_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Fatal, match="out: is a file"), assembled(tmp_path / "out"):
        pytest.fail("the work began")
    assert (tmp_path / "out").read_text() == "mine"
