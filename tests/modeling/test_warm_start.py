import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertModel,
    ElectraConfig,
    ElectraForPreTraining,
    SqueezeBertConfig,
    SqueezeBertModel,
)

from tests.modeling.published import HEADS, SHAPE, assert_same, disturbed, saved
from tests.modeling.tiny import VOCABULARY
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.encoders.warm_start import warm_start


def test_bert_directory_becomes_an_electra_encoder_with_its_hidden_states(
    bert: BertModel, bert_directory: Path, tmp_path: Path
) -> None:
    assert warm_start(str(bert_directory), tmp_path).difference < 1e-5
    assert_same(bert, tmp_path)
    report = json.loads((tmp_path / "warm_start.json").read_text())
    assert report["source"] == str(bert_directory)
    assert (report["factorised"], report["beside"]) == (None, None)


def test_directory_that_tells_of_a_training_is_pointed_at_from_what_is_made_of_it(
    bert_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(bert_directory, tmp_path / "learnt")
    (tmp_path / "learnt" / "metrics.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    warm_start("learnt", tmp_path / "some" / "encoder")
    assert json.loads((tmp_path / "some" / "encoder" / "warm_start.json").read_text())["beside"] == "../../learnt"


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


@pytest.mark.parametrize("layers", ["0,3", "2,0", "1,1"])
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
    with pytest.raises(Fatal, match=r"hidden states differ .* --heads tells|5 heads do not divide 32"):
        warm_start(str(onnx_export), tmp_path / "out", heads=heads)
    assert not list(tmp_path.iterdir())


def test_encoder_of_ours_keeps_its_tokenizer(encoder: Path, tmp_path: Path) -> None:
    source = tmp_path / "cased"
    shutil.copytree(encoder, source)
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))

    assert warm_start(str(source), tmp_path / "out", layers=[1]).difference == 0
    kept = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert kept.encode("The sun", add_special_tokens=False).tokens[0] == "[UNK]"
