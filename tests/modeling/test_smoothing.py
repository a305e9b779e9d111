from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.modeling.test_quantize_aware import ROWS
from worker.modeling.export.arithmetic import Floats, StaticInt8
from worker.modeling.export.calibrate import linear_layers
from worker.modeling.export.graph import GraphBuilder
from worker.modeling.export.smoothing import factors_of, smoothing_factors
from worker.modeling.training.network import Classifier

WIDE = 3


def product(x: Floats, weight: Floats, factors: dict[str, Floats], path: Path) -> Floats:
    """`x @ weight` as an int8 graph computes it."""
    shown = x / factors.get("site", np.ones(x.shape[1], np.float32))
    arithmetic = StaticInt8({"site": (float(shown.min()), float(shown.max()))}, 7, (), factors)
    graph = GraphBuilder()
    made = arithmetic.activation(graph, graph.input("x", np.float32, x.shape), "site")
    value = arithmetic.linear(graph, made, weight, np.zeros(weight.shape[1], np.float32), "layer")
    onnx.save(graph.model(value, "y", [len(x), weight.shape[1]]), path)
    found: Floats = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    return found


def test_products_with_a_wide_channel_are_nearer_to_float32(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, weight = (draw.normal(size=size).astype(np.float32) for size in ((200, 64), (64, 48)))
    x[:, WIDE] *= 30
    factors = factors_of(np.abs(x).max(axis=0), np.abs(weight).max(axis=1), 0.5)
    plain, smoothed = (
        np.abs(product(x, weight, each, tmp_path / "m.onnx") - x @ weight).mean() for each in ({}, {"site": factors})
    )
    assert smoothed < plain / 2


def test_every_layer_has_factors_of_its_width(classifier: Path) -> None:
    model = Classifier.load(classifier)
    found = smoothing_factors(model, ROWS, 0.85)
    assert {site: factors.shape for site, factors in found.items()} == {
        site: (layer.in_features,) for site, layer in linear_layers(model)
    }
    assert all(factors.dtype == np.float32 for factors in found.values())
    assert all(factors.min() == 1 < factors.max() for factors in found.values())


def test_wide_channels_become_as_wide_as_the_usual_one_and_none_is_magnified() -> None:
    wide = np.array([1, 20, 0.5], np.float32)
    assert wide / factors_of(wide, np.array([3, 1, 2], np.float32), 1) == pytest.approx([1, 1, 0.5])


def test_channels_that_are_never_used_do_not_divide_by_zero() -> None:
    factors = factors_of(np.array([0, 1, 1], np.float32), np.array([1, 0, 1], np.float32), 0.85)
    assert np.isfinite(factors).all()
    assert (factors > 0).all()
