import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from transformers import (
    BertModel,
)

from tests.modeling.published import HEADS, assert_same
from tests.modeling.test_full_disk import full_disk
from worker.core.errors import Fatal
from worker.modeling.encoders import artifacts as module
from worker.modeling.encoders.artifacts import Artifact
from worker.modeling.encoders.warm_start import warm_start


@pytest.fixture
def artifact(onnx_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A Maven artifact, served by a Maven that only copies it."""
    jar = tmp_path / "tiny.jar"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(onnx_export / "model.onnx", "tiny-v1.5.onnx")
        file.write(onnx_export / "tokenizer.json", "tiny-v1.5-tokenizer.json")

    def copy(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[-1].partition("=")[2])
        (folder / "tiny.jar").write_bytes(jar.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", copy)
    monkeypatch.setattr(shutil, "which", lambda _: "mvn")
    sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
    found = Artifact("tiny-v15", "group:tiny:1", sha256, HEADS, ("tiny-v1.5.onnx", "tiny-v1.5-tokenizer.json"))
    monkeypatch.setitem(module.ARTIFACTS, "tiny-v15", found)
    return found


@pytest.mark.usefixtures("artifact")
def test_maven_artifact_with_its_pinned_checksum_is_used(bert: BertModel, tmp_path: Path) -> None:
    assert warm_start("tiny-v15", tmp_path / "out").difference < 1e-5
    assert_same(bert, tmp_path / "out")


@pytest.mark.parametrize(
    ("sha256", "inside", "message"),
    [("0" * 64, "tiny-v1.5", "pinned is 0000"), (None, "other", r"no item named 'other\.onnx'")],
)
def test_maven_artifact_with_another_content_is_refused(
    sha256: str | None, inside: str, message: str, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = Artifact(
        "tiny-v15",
        artifact.coordinates,
        sha256 or artifact.sha256,
        HEADS,
        (f"{inside}.onnx", "tiny-v1.5-tokenizer.json"),
    )
    monkeypatch.setitem(module.ARTIFACTS, "tiny-v15", changed)
    with pytest.raises(Fatal, match=message):
        warm_start("tiny-v15", tmp_path / "out")


def test_full_disk_is_told_from_an_artifact_that_is_wrong(artifact: Artifact, tmp_path: Path) -> None:
    with full_disk((tmp_path / "tiny.jar").stat().st_size), pytest.raises(Fatal, match=r"tiny-v15: cannot be unpacked"):
        warm_start(artifact.name, tmp_path / "out")


def test_missing_maven_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Fatal, match="apt-get install maven"):
        warm_start("all-minilm-l6-v2", tmp_path)
