"""The worker's own weights in the forms that the peers take, made from the bundle alone."""

import shutil
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from onnxruntime.quantization import quantize_dynamic
from torch import Tensor, nn
from transformers import ElectraForSequenceClassification

from load_tests.peers.usual import INT8, TOKENIZER
from worker.model.bundle import load_bundle
from worker.modeling.export.restore import restore
from worker.modeling.training.network import Classifier

CLASSIFIER, FLOAT = "classifier", "float.onnx"
DONE = "done"
OPSET = 17


class _FirstToken(nn.Module):
    """The classifier's head: one linear layer on [CLS]."""

    def __init__(self, out: nn.Linear) -> None:
        super().__init__()
        self.out = out

    def forward(self, states: Tensor) -> Tensor:
        logits: Tensor = self.out(states[:, 0])
        return logits


class _Logits(nn.Module):
    """What is exported: the logits alone, from two inputs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def sequence_classifier(weights: Path) -> Any:
    """The Hugging Face model with the bundle's float32 weights and labels."""
    own = Classifier.load(weights / CLASSIFIER)
    labels = own.config.labels
    encoder: Any = own.electra
    encoder.config.num_labels = len(labels)
    encoder.config.id2label = dict(enumerate(labels))
    model: Any = ElectraForSequenceClassification(encoder.config)
    model.electra = encoder
    model.classifier = _FirstToken(own.out)
    return model.eval()


def prepare(bundle: Path, folder: Path) -> Path:
    """`folder` with the classifier, its ONNX export and that one quantized; kept while the bundle is the same."""
    sha256 = load_bundle(bundle).sha256
    done = folder / DONE
    if done.exists() and done.read_text(encoding="ascii") == sha256:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    restore(bundle, folder / CLASSIFIER)
    shutil.copy(bundle / TOKENIZER, folder / TOKENIZER)
    ids = torch.ones(2, 16, dtype=torch.long)
    names = ["input_ids", "attention_mask"]
    axes = {name: {0: "posts", 1: "tokens"} for name in names}
    torch.onnx.export(
        _Logits(sequence_classifier(folder)),
        (ids, ids),
        str(folder / FLOAT),
        input_names=names,
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    onnxruntime.disable_telemetry_events()
    quantize_dynamic(folder / FLOAT, folder / INT8)
    done.write_text(sha256, encoding="ascii")
    return folder
