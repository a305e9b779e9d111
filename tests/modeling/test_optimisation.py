from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.modeling.training.network import Classifier
from worker.modeling.training.optimisation import batches, build_optimiser, set_learning_rate
from worker.modeling.training.recipe import Recipe


@given(st.integers(1, 200), st.integers(1, 40), st.data())
def test_every_post_comes_once_an_epoch_and_twins_together(posts: int, size: int, data: st.DataObject) -> None:
    rows = [[0] * data.draw(st.integers(1, 9)) for _ in range(posts)]
    numbers = st.integers(0, posts - 1)
    found = data.draw(st.lists(st.tuples(numbers, numbers).filter(lambda p: p[0] != p[1]), max_size=10))
    pairs = [p for n, p in enumerate(found) if not any(set(p) & set(q) for q in found[:n])]
    chosen = list(batches(rows, pairs, Recipe("", (), batch_size=size), 0))
    assert sorted(chain.from_iterable(chosen)) == list(range(posts))
    assert all(len(batch) <= size + 1 for batch in chosen)
    assert all(any(set(pair) <= set(batch) for batch in chosen) for pair in pairs)


def test_epochs_differ_and_a_seed_repeats_them() -> None:
    rows = [[0]] * 100
    first, again, second = (list(batches(rows, [], Recipe("", (), seed=s), e)) for s, e in ((1, 0), (1, 0), (1, 1)))
    assert first == again
    assert first != second


def test_layer_decay_slows_lower_layers_more(classifier: Path) -> None:
    model = Classifier.load(classifier)
    optimiser = build_optimiser(model, Recipe("", (), learning_rate=1.0, layer_decay=0.5))
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    named = {name: rates[id(p)] for name, p in model.named_parameters()}
    assert len(rates) == len(list(model.parameters()))
    assert named["out.weight"] == named["electra.encoder.layer.1.output.dense.weight"] == 1.0
    assert named["electra.encoder.layer.0.output.dense.weight"] == 0.5
    assert named["electra.embeddings.word_embeddings.weight"] == 0.25


@pytest.mark.parametrize(("step", "expected"), [(0, 0.1), (9, 1.0), (55, 0.5), (99, 1 / 90)])
def test_learning_rate_rises_then_falls_to_zero(step: int, expected: float) -> None:
    recipe = Recipe("", (), learning_rate=2.0, warmup=0.1)
    optimiser = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "factor": 0.5}], lr=1.0)
    set_learning_rate(optimiser, recipe, step, 100)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(expected)
