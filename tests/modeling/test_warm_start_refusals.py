import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer
from transformers import (
    ElectraModel,
    RobertaConfig,
    RobertaModel,
)

from tests.modeling.published import HEADS, SHAPE, saved
from tests.modeling.tiny import VOCABULARY
from worker.core.errors import Fatal
from worker.modeling.encoders.warm_start import warm_start


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


def test_interrupt_leaves_nothing_behind(bert_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ElectraModel, "save_pretrained", interrupt)
    with pytest.raises(KeyboardInterrupt):
        warm_start(str(bert_directory), tmp_path / "out")
    assert not list(tmp_path.iterdir())
