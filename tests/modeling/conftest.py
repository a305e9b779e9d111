import json
import random
import warnings
from pathlib import Path

import onnx
import pytest
import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, ElectraConfig, ElectraModel

from tests.modeling.published import SHAPE, States, disturbed, saved
from tests.modeling.tiny import LABELS, MAX_LENGTH, VOCABULARY, write_posts
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier

UNKNOWN = "[UNK]"
torch.set_num_threads(1)  # two threads on two busy CPUs wait for each other


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uncased WordPiece tokenizer that spells words letter by letter."""
    tokenizer = Tokenizer(WordPiece({token: i for i, token in enumerate(VOCABULARY)}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(VOCABULARY[:5])
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def encoder(tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ELECTRA encoder: 2 layers of 32, embeddings of 16 (so that they are projected)."""
    torch.manual_seed(0)
    config = ElectraConfig(
        vocab_size=len(VOCABULARY),
        embedding_size=16,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_LENGTH,
    )
    path = tmp_path_factory.mktemp("encoder")
    ElectraModel(config).save_pretrained(path)
    (path / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    return path


@pytest.fixture(scope="session")
def classifier(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier directory with a random head, its weights large enough to spread the scores."""
    torch.manual_seed(1)
    model = Classifier(ElectraModel.from_pretrained(encoder), ClassifierConfig(LABELS, MAX_LENGTH))
    with torch.no_grad():
        model.out.weight.mul_(20)
    path = tmp_path_factory.mktemp("classifier")
    model.save(path, encoder / "tokenizer.json")
    recipe = {"train": ["hatexplain.train.jsonl", "posts.jsonl"], "epochs": 1, "batch_size": 8, "seed": 0}
    recipe |= {"learning_rate": 0.001, "dropout": 0.1, "max_length": MAX_LENGTH}
    (path / "metrics.json").write_text(json.dumps({"recipe": {"encoder": str(encoder), **recipe}}))
    return path


@pytest.fixture(scope="session")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up labelled posts of many lengths."""
    path = tmp_path_factory.mktemp("posts") / "posts.jsonl"
    write_posts(path, random.Random(7), 90)
    return path


@pytest.fixture(scope="session")
def bert() -> BertModel:
    found: BertModel = disturbed(BertModel(BertConfig(**SHAPE)))
    return found


@pytest.fixture(scope="session")
def bert_directory(bert: BertModel, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(bert, tokenizer_file, tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
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
