from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from transformers import ElectraConfig, ElectraModel

from tests.modeling.tiny import LABELS
from worker.core.errors import Fatal
from worker.model.session import Session
from worker.modeling.export.arithmetic import Arithmetic, Float32, Floats, StaticInt8
from worker.modeling.export.calibrate import extremes
from worker.modeling.export.electra_graph import build_graph
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier, collate

ROWS = [(2, *range(5, 5 + length), 3) for length in (1, 3, 9, 14)]


def shaped(**changes: Any) -> Classifier:
    sizes: dict[str, Any] = {"embedding_size": 12, "hidden_size": 18, "num_attention_heads": 3, "intermediate_size": 20}
    torch.manual_seed(4)
    config = ElectraConfig(vocab_size=40, num_hidden_layers=2, max_position_embeddings=32, **(sizes | changes))
    model = Classifier(ElectraModel(config), ClassifierConfig(LABELS, 32)).eval()
    with torch.no_grad():
        model.out.weight.mul_(20)
    return model


def served(model: Classifier, arithmetic: Arithmetic, folder: Path) -> tuple[Floats, bool]:
    """Logits [rows, labels], and whether each row alone gives the same."""
    onnx.save(build_graph(model, arithmetic, "packed"), folder / "m.onnx")
    session = Session(folder / "m.onnx", "packed", len(LABELS))
    together = session.logits(ROWS)
    return together, bool((together == np.concatenate([session.logits([row]) for row in ROWS])).all())


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "gelu"},  # embeddings projected, heads of 6
        {"embedding_size": 18, "num_attention_heads": 9},
        {"hidden_act": "gelu_new"},
        {"hidden_act": "relu"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_graph_computes_what_torch_computes_whatever_the_shape(changes: dict[str, object], tmp_path: Path) -> None:
    model = shaped(**changes)
    with torch.no_grad():
        expected = model(*collate(ROWS)).numpy()
    found, invariant = served(model, Float32(), tmp_path)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert invariant
    found, invariant = served(model, StaticInt8(extremes(model, ROWS), bits=7), tmp_path)
    np.testing.assert_allclose(found, expected, atol=0.25 * np.abs(expected).max())
    assert invariant


def test_activation_that_no_graph_has_is_refused_and_what_to_do_is_said() -> None:
    with pytest.raises(Fatal, match=r"hidden_act is 'silu'.*gelu_new.*distil"):
        build_graph(shaped(hidden_act="silu"), Float32(), "packed")


def test_embeddings_of_a_real_vocabulary_take_a_byte_for_each_weight(tmp_path: Path) -> None:
    entries, width = 30522, 16
    config: dict[str, Any] = {"vocab_size": entries, "embedding_size": width}
    torch.manual_seed(0)
    electra = ElectraConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        **config,
    )
    model = Classifier(ElectraModel(electra), ClassifierConfig(LABELS, 32)).eval()
    onnx.save(build_graph(model, StaticInt8(extremes(model, ROWS)), "packed"), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").stat().st_size < entries * (width + 4) + 20_000  # and a scale for each row
