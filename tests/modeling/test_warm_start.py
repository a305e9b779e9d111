import hashlib
import json
import shutil
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertModel,
    ElectraConfig,
    ElectraForPreTraining,
    ElectraModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    SqueezeBertConfig,
    SqueezeBertModel,
)

from tests.modeling.tiny import VOCABULARY
from worker.core.errors import Fatal
from worker.modeling import artifacts as module
from worker.modeling.artifacts import Artifact
from worker.modeling.cli import main
from worker.modeling.warm_start import warm_start

HEADS = 4
SHAPE: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": HEADS,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


class States(torch.nn.Module):
    """A BERT whose only output are its hidden states, as exporters want it."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bert(ids, mask[:, None, None, :].float() * 0, types).last_hidden_state
        return found


def disturbed(model: Any) -> Any:
    """The model, its parameters moved a little: a fresh model's biases are all zero."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def saved(model: Any, tokenizer_file: Path, path: Path) -> Path:
    model.save_pretrained(path)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer)  # type: ignore[no-untyped-call]
    wrapped.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def bert() -> BertModel:
    found: BertModel = disturbed(BertModel(BertConfig(**SHAPE)))
    return found


@pytest.fixture(scope="module")
def bert_directory(bert: BertModel, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(bert, tokenizer_file, tmp_path_factory.mktemp("bert"))


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


def states(model: Any) -> torch.Tensor:
    ids = torch.tensor([[2, 10, 20, 30, 40, 3]])
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids).last_hidden_state
    return found


def assert_same(original: Any, out: Path) -> ElectraModel:
    electra = ElectraModel.from_pretrained(out)
    electra.eval()  # type: ignore[no-untyped-call]
    assert torch.allclose(states(original), states(electra), atol=1e-5)
    assert (out / "tokenizer.json").is_file()
    return electra


def test_bert_directory_becomes_an_electra_encoder_with_its_hidden_states(
    bert: BertModel, bert_directory: Path, tmp_path: Path
) -> None:
    assert warm_start(str(bert_directory), tmp_path).difference < 1e-5
    assert_same(bert, tmp_path)
    report = json.loads((tmp_path / "warm_start.json").read_text())
    assert report["source"] == str(bert_directory)
    assert report["factorised"] is None


def test_bert_of_another_activation_and_epsilon_keeps_them(tokenizer_file: Path, tmp_path: Path) -> None:
    original = disturbed(BertModel(BertConfig(**SHAPE, hidden_act="relu", layer_norm_eps=1e-2)))
    warm_start(str(saved(original, tokenizer_file, tmp_path / "in")), tmp_path / "out")
    assert_same(original, tmp_path / "out")


def test_config_older_than_the_model_type_is_read_as_bert(
    bert: BertModel, bert_directory: Path, tmp_path: Path
) -> None:
    source = tmp_path / "TinyBERT"
    shutil.copytree(bert_directory, source)
    raw = json.loads((source / "config.json").read_text())
    for field in ("model_type", "architectures"):
        raw.pop(field, None)
    (source / "config.json").write_text(json.dumps(raw | {"emb_size": 32, "cell": {}}))
    warm_start(str(source), tmp_path / "out")
    assert_same(bert, tmp_path / "out")


def test_vocabulary_as_text_becomes_a_tokenizer(bert: BertModel, bert_directory: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(bert_directory / name, source)
    (source / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    warm_start(str(source), tmp_path / "out")
    assert_same(bert, tmp_path / "out")
    assert Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).encode("The GOOD").tokens[1:-1] == [
        "the",
        "good",
    ]


def test_electra_keeps_its_narrow_embeddings(tokenizer_file: Path, tmp_path: Path) -> None:
    original = disturbed(ElectraForPreTraining(ElectraConfig(**SHAPE, embedding_size=16)))
    warm_start(str(saved(original, tokenizer_file, tmp_path / "in")), tmp_path / "out")
    assert assert_same(original.electra, tmp_path / "out").config.embedding_size == 16


@pytest.mark.parametrize("layers", [None, (0, 2)])
def test_squeezebert_becomes_an_electra_encoder_with_its_hidden_states(
    layers: tuple[int, ...] | None, tokenizer_file: Path, tmp_path: Path
) -> None:
    groups: dict[str, Any] = {
        "q_groups": 4,
        "k_groups": 2,
        "v_groups": 1,
        "post_attention_groups": 2,
        "intermediate_groups": 4,
    }
    original = disturbed(SqueezeBertModel(SqueezeBertConfig(**SHAPE, **groups, embedding_size=32, output_groups=8)))
    warm_start(str(saved(original, tokenizer_file, tmp_path / "in")), tmp_path / "out", layers)
    if layers:
        original.encoder.layers = torch.nn.ModuleList(original.encoder.layers[i] for i in layers)
    assert_same(original, tmp_path / "out")


@pytest.mark.parametrize("source", ["bert_directory", "onnx_export"])
def test_kept_layers_are_those_of_the_source(
    source: str, bert: BertModel, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    warm_start(str(request.getfixturevalue(source)), tmp_path, layers=(0, 2), heads=HEADS)
    cut: Any = BertModel.from_pretrained(request.getfixturevalue("bert_directory"))
    cut.eval()
    cut.encoder.layer = torch.nn.ModuleList(bert.encoder.layer[i] for i in (0, 2))
    assert assert_same(cut, tmp_path).config.num_hidden_layers == 2


@pytest.mark.parametrize("layers", ["0,3", "2,0", "1,1", "-1,0"])
def test_layers_that_the_source_lacks_or_out_of_order_are_refused(
    layers: str, bert_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["warm-start", str(bert_directory), "--out", str(tmp_path / "out"), f"--layers={layers}"]) == 1
    assert f"--layers {layers}: want rising numbers from 0 to 2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_onnx_export_becomes_an_electra_encoder_with_its_hidden_states(
    bert: BertModel, onnx_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["warm-start", str(onnx_export), "--out", str(tmp_path / "out"), "--heads", str(HEADS)]) == 0
    assert "hidden states differ from the source by" in capsys.readouterr().out
    assert_same(bert, tmp_path / "out")


@pytest.mark.parametrize("heads", [2, 5])
def test_wrong_number_of_heads_is_refused_and_nothing_written(heads: int, onnx_export: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"hidden states differ|5 heads do not divide 32"):
        warm_start(str(onnx_export), tmp_path / "out", heads=heads)
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
    with pytest.raises(Fatal, match=r"no ONNX model that onnxruntime can run|lacks"):
        warm_start(str(source), tmp_path / "out", heads=HEADS)


@pytest.mark.parametrize(("name", "message"), [("model.onnx", "no ONNX model"), ("tokenizer.json", "cannot be read")])
def test_export_with_a_broken_file_is_refused(name: str, message: str, onnx_export: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(onnx_export, source)
    (source / name).write_text("{")
    with pytest.raises(Fatal, match=message):
        warm_start(str(source), tmp_path / "out", heads=HEADS)


def test_source_that_is_nothing_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Fatal, match="neither"):
        warm_start(str(empty), tmp_path / "out")


def test_another_architecture_is_refused_by_name(tokenizer_file: Path, tmp_path: Path) -> None:
    source = saved(RobertaModel(RobertaConfig(**SHAPE)), tokenizer_file, tmp_path / "in")
    with pytest.raises(Fatal, match="its architecture is 'roberta'; BERT's shape have: bert, electra, squeezebert"):
        warm_start(str(source), tmp_path / "out")


def test_weights_that_the_directory_lacks_are_not_made_up(bert_directory: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(bert_directory, source)
    raw = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(raw | {"num_hidden_layers": 4}))
    with pytest.raises(Fatal, match=r"its weights lack encoder\.layer\.3"):
        warm_start(str(source), tmp_path / "out")


def test_tokenizer_with_pieces_that_have_no_embedding_is_refused(
    onnx_export: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    shutil.copytree(onnx_export, source)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.add_tokens(["onemore"])
    tokenizer.save(str(source / "tokenizer.json"))
    with pytest.raises(Fatal, match=f"{len(VOCABULARY) + 1} pieces, the source embeddings for {len(VOCABULARY)}"):
        warm_start(str(source), tmp_path / "out", heads=HEADS)


def test_directory_that_holds_something_is_left_alone(bert_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(Fatal, match="not an empty directory"):
        warm_start(str(bert_directory), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError("No space left on device")])
def test_writing_that_fails_leaves_nothing_behind(
    stop: BaseException, bert_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr(ElectraModel, "save_pretrained", fail)
    with pytest.raises((KeyboardInterrupt, Fatal)):
        warm_start(str(bert_directory), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def artifact(onnx_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A Maven artifact, served by a Maven that only copies it."""
    jar = tmp_path / "tiny.jar"
    with zipfile.ZipFile(jar, "w") as file:
        file.write(onnx_export / "model.onnx", "tiny-v1.5.onnx")
        file.write(onnx_export / "tokenizer.json", "tiny-v1.5-tokenizer.json")

    def copy(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[-1].partition("=")[2])
        (folder / "tiny.jar").write_bytes(jar.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", copy)
    monkeypatch.setattr(shutil, "which", lambda _: "mvn")
    sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
    found = Artifact("tiny-v15", "group:tiny:1", sha256, HEADS, inside="tiny-v1.5")
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
    changed = Artifact("tiny-v15", artifact.coordinates, sha256 or artifact.sha256, HEADS, inside)
    monkeypatch.setitem(module.ARTIFACTS, "tiny-v15", changed)
    with pytest.raises(Fatal, match=message):
        warm_start("tiny-v15", tmp_path / "out")


def test_missing_maven_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Fatal, match="apt-get install maven"):
        warm_start("all-minilm-l6-v2", tmp_path)
