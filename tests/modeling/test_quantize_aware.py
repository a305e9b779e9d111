import random
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from worker.model.session import Session
from worker.modeling.export.arithmetic import Float32, StaticInt8
from worker.modeling.export.calibrate import extremes, linear_layers
from worker.modeling.export.electra_graph import build_graph
from worker.modeling.export.quantize_aware import _Rounding, distil_to_int8
from worker.modeling.export.smoothing import smoothing_factors
from worker.modeling.training.network import Classifier, collate

_draw = random.Random(0)
ROWS = [[2, *(_draw.randrange(5, 130) for _ in range(_draw.randrange(1, 20))), 3] for _ in range(64)]


class WordsInFloat32(StaticInt8):
    rows = Float32.rows


def served(model: Classifier, arithmetic: StaticInt8, folder: Path) -> np.ndarray:
    onnx.save(build_graph(model, arithmetic, "packed"), folder / "m.onnx")
    return Session(folder / "m.onnx", "packed", 2).logits([tuple(row) for row in ROWS])


@pytest.mark.parametrize("smooth", [True, False])
def test_rounded_layers_compute_what_the_graph_computes(classifier: Path, tmp_path: Path, smooth: bool) -> None:
    model = Classifier.load(classifier)
    factors = smoothing_factors(model, ROWS) if smooth else {}
    ranges = extremes(model, ROWS, factors)
    expected = served(model, WordsInFloat32(ranges, bits=4, factors=factors), tmp_path)
    roundings = [_Rounding(layer, ranges[site], 7, factors.get(site)) for site, layer in linear_layers(model)]
    with torch.no_grad():
        rounded = model(*collate(ROWS)).numpy()
        for rounding in roundings:
            rounding.remove()
        plain = model(*collate(ROWS)).numpy()
    agreement, cost = np.abs(rounded - expected).mean(), np.abs(plain - expected).mean()
    assert agreement < cost / 10  # not 0: a value at the edge of two steps may fall to either side


def test_steps_bring_the_quantized_classifier_nearer_to_itself(classifier: Path, tmp_path: Path) -> None:
    model = Classifier.load(classifier)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ranges = extremes(model, ROWS)
    with torch.no_grad():
        expected = model(*collate(ROWS)).numpy()
    tuned = [distil_to_int8(model, ROWS, ranges, bits=3, steps=60, seed=1) for _ in range(2)]
    arithmetic = StaticInt8(ranges, bits=3)
    plain, better = (np.abs(served(m, arithmetic, tmp_path) - expected).mean() for m in (model, tuned[0]))
    assert better < plain * 0.9
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(tuned[0].parameters(), tuned[1].parameters(), strict=True))
