"""An ElectraModel from an ONNX export of a BERT, compared with what onnxruntime computes from the export."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.modeling.encoders.electra_weights import States, electra_model, probe_difference


def from_export(export: Path, tokenizer: Tokenizer, heads: int) -> tuple[ElectraModel, float]:
    """Return the model and its largest hidden-state difference from the export. An export does not tell its heads.

    Raises Fatal where the file is no ONNX model, not BERT-shaped, or without hidden states among its outputs.
    """
    try:
        weights = _weights(onnx.load(str(export)).graph)
        session = onnxruntime.InferenceSession(str(export), providers=["CPUExecutionProvider"])
    except Exception as error:  # protobuf and onnxruntime have a dozen of their own
        raise Fatal(f"warm-start: {export}: no ONNX model that onnxruntime can run: {error}") from error
    model = electra_model({name: torch.from_numpy(array) for name, array in weights.items()}, heads)
    return model, probe_difference(model, _states(session), tokenizer)


def _states(session: onnxruntime.InferenceSession) -> States:
    names = {i.name for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs() if len(o.shape or ()) == 3]
    if not outputs:
        raise Fatal("warm-start: the export has no output of shape [posts, tokens, hidden]")

    def run(ids: NDArray[np.int64]) -> NDArray[np.float32]:
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states: NDArray[np.float32] = session.run(outputs[:1], {k: v for k, v in feed.items() if k in names})[0]
        return states

    return run


def _weights(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Weights under their torch names.

    Matrices lose their names on export; their biases keep them, so each matrix is found through the Add that
    follows its MatMul.
    """
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    weights = {
        name: np.array(array)  # a copy: torch wants to write
        for name, array in tensors.items()
        if name.startswith(("embeddings", "encoder")) and array.dtype == np.float32
    }
    for bias, product in (pair for node in graph.node for pair in _bias_pairs(node)):
        if bias.endswith(".bias") and bias in tensors and product in producer:
            source = producer[product]
            if source.op_type == "MatMul" and source.input[1] in tensors:
                matrix = tensors[source.input[1]]
                weights[bias.removesuffix("bias") + "weight"] = np.ascontiguousarray(matrix.T)
    return weights


def _bias_pairs(node: onnx.NodeProto) -> Iterator[tuple[str, str]]:
    if node.op_type == "Add":
        yield node.input[0], node.input[1]
        yield node.input[1], node.input[0]
