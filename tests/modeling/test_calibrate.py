from pathlib import Path

import numpy as np
import pytest
import torch

from tests.modeling.tiny import LABELS
from worker.modeling.export.arithmetic import Range, scale_and_zero
from worker.modeling.export.calibrate import activation_ranges, even_sample, extremes, histograms
from worker.modeling.export.histogram import Histogram, Method
from worker.modeling.posts.examples import Example
from worker.modeling.training.network import Classifier

ROWS = [[2, *([7] * length), 3] for length in range(1, 9)]
LAST = "electra.encoder.layer.1."


def posts(source: str, count: int) -> list[Example]:
    return [Example(f"{source}{i}", "text", (None,) * len(LABELS), source) for i in range(count)]


def histogram(values: np.ndarray) -> Histogram:
    counts, edges = np.histogram(values, 8192)
    return Histogram(float(edges[0]), float(edges[-1]), counts.astype(float))


def error(values: np.ndarray, chosen: Range) -> float:
    step, zero = scale_and_zero(chosen)
    return float(((np.clip(np.round(values / step) + zero, 0, 255) - zero) * step - values).__pow__(2).mean())


def test_small_sources_count_as_much_as_large_ones_and_what_they_lack_is_made_up() -> None:
    found = [e.source for e in even_sample([posts("a", 1000), posts("b", 10), posts("c", 500)], 110)]
    assert {source: found.count(source) for source in "abc"} == {"a": 50, "b": 10, "c": 50}
    assert len(even_sample([posts("a", 3), posts("b", 4)], 100)) == 7


def test_percentile_cuts_the_same_share_off_either_side() -> None:
    values = np.random.default_rng(0).uniform(-3, 1, 200_000)
    low, high = histogram(values).range("percentile", 98)
    assert low == pytest.approx(-2.96, abs=0.01)
    assert high == pytest.approx(0.96, abs=0.01)


def test_least_error_cuts_off_an_outlier_that_min_max_keeps() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 1_000_000), 40.0)
    found = histogram(values)
    assert found.range("min-max")[1] == 40
    chosen = found.range("mse")
    assert 3 < chosen[1] < 20
    assert error(values, chosen) < error(values, found.range("min-max")) / 2


def test_least_error_of_values_without_an_outlier_keeps_nearly_all() -> None:
    low, high = histogram(np.random.default_rng(0).uniform(-1, 4, 100_000)).range("mse")
    assert low == pytest.approx(-1, abs=0.1)
    assert high == pytest.approx(4, abs=0.1)


def test_histograms_count_every_real_token_once_and_no_padding(classifier: Path) -> None:
    found = histograms(Classifier.load(classifier), ROWS)
    tokens = sum(map(len, ROWS))
    assert found["electra.embeddings_project"].counts.sum() == tokens * 16
    assert found["electra.encoder.layer.0.output.dense"].counts.sum() == tokens * 64
    assert found[f"{LAST}attention.self.query"].counts.sum() == tokens * 32
    assert found[f"{LAST}output.dense"].counts.sum() == len(ROWS) * 64  # of the last layer [CLS] alone goes on
    assert not any(name.endswith((".key", ".value", "out")) for name in found)


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_range_of_every_method_lies_within_the_extremes(classifier: Path, method: Method) -> None:
    model = Classifier.load(classifier)
    widest = extremes(model, ROWS)
    found = activation_ranges(model, ROWS, [method], 99)[method]
    assert found.keys() == widest.keys()
    for name, (low, high) in found.items():
        assert min(widest[name][0], 0) <= low < high <= max(widest[name][1], 0)


def test_rows_in_one_batch_or_many_give_the_same_range(classifier: Path) -> None:
    model = Classifier.load(classifier)
    together, apart = extremes(model, ROWS), [extremes(model, [row]) for row in ROWS]
    for name, (low, high) in together.items():
        assert low == pytest.approx(min(each[name][0] for each in apart), abs=1e-5)
        assert high == pytest.approx(max(each[name][1] for each in apart), abs=1e-5)
    assert torch.is_grad_enabled()
