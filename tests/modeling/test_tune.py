"""The search: what may be varied, how trials are ranked, and going on where it was interrupted."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.modeling.search.tune_space import DEFAULT_SEARCH, Dimension, apply, parse_dimension
from worker.modeling.search.tune_table import Row, markdown, ranked
from worker.modeling.training.recipe import Recipe

LEARNING_RATES = Dimension("learning_rate", (1e-5, 1e-3, 1e-2))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("epochs=2,3", Dimension("epochs", (2, 3))),
        ("dropout=0.1..0.5", Dimension("dropout", low=0.1, high=0.5)),
        ("learning_rate=3e-5..3e-4:log", Dimension("learning_rate", low=3e-5, high=3e-4, log=True)),
        ("source_weights.davidson=0.25,1", Dimension("source_weights.davidson", (0.25, 1.0))),
    ],
)
def test_dimension_is_read_as_written(text: str, read: Dimension) -> None:
    assert parse_dimension(text) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed=1,2", "the fields are .*epochs, learning_rate"),
        ("encoder=1,2", "the fields are"),
        ("seed=1,2", "the fields are"),
        ("dropout", "expected FIELD"),
        ("dropout=a,b", "could not convert"),
        ("dropout=-1,0", "not a number from 0"),
        ("dropout=0.5..0.1", "ascends"),
        ("dropout=0..1:log", "above 0"),
        ("epochs=2..4", "whole number"),
        ("epochs=2.5", "invalid literal"),
    ],
)
def test_dimension_that_cannot_be_is_refused_by_its_option(text: str, message: str) -> None:
    with pytest.raises(Fatal, match=message) as refused:
        parse_dimension(text)
    assert f"--search {text}" in str(refused.value)


def test_default_search_can_be_read() -> None:
    fields = [parse_dimension(text).field for text in DEFAULT_SEARCH]
    assert fields == ["learning_rate", "epochs", "dropout", "weight_decay"]


def test_draws_change_their_fields_and_no_other_weight() -> None:
    base = Recipe("encoder", ("posts",), source_weights={"a": 0.5, "b": 2.0})
    found = apply(base, {"epochs": 4, "source_weights.a": 0.1, "positive_weights.hate": 3.0})
    assert (found.epochs, found.source_weights, found.positive_weights) == (4, {"a": 0.1, "b": 2.0}, {"hate": 3.0})


def test_best_trial_is_first_and_one_that_failed_last() -> None:
    rows = [
        Row("a", {"epochs": 2}, 0.8, 0.79, 2, "finished"),
        Row("b", {"epochs": 3}, None, None, 0, "failed: no | space"),
        Row("c", {"epochs": 4}, 0.9, 0.88, 4, "finished"),
    ]
    assert [row.trial for row in ranked(rows)] == ["c", "a", "b"]
    assert markdown(ranked(rows)).splitlines()[2:] == [
        "| 4 | 0.9000 | 0.8800 | 4 | finished |",
        "| 2 | 0.8000 | 0.7900 | 2 | finished |",
        "| 3 | - | - | 0 | failed: no / space |",
    ]


def interrupt_when(trials: Path, count: int, stop: threading.Event) -> None:
    """Ctrl-C as soon as so many trials were begun: those before are finished."""
    while not stop.wait(0.1):
        if len(list(trials.glob("*"))) >= count:
            os.kill(os.getpid(), signal.SIGINT)
            return


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")  # Ray's own
def test_interrupted_search_goes_on_and_ranks_what_each_trial_reached(
    encoder: Path, posts: Path, tmp_path: Path
) -> None:
    from worker.modeling.search.tune import Search, search  # noqa: PLC0415 - Ray takes seconds to import

    base = Recipe(str(encoder), (str(posts),), epochs=2, batch_size=16, max_length=32)
    what, out = Search((LEARNING_RATES,), trials=3, grace=2), tmp_path / "out"
    stop = threading.Event()
    watcher = threading.Thread(target=interrupt_when, args=(out / "trials", 2, stop))
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            search(base, [posts], out, what)
    finally:
        stop.set()
        watcher.join()
    finished = {path: path.stat().st_mtime_ns for path in out.glob("trials/*/metrics.json")}
    assert finished

    search(base, [posts], out, what)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    rows = json.loads((out / "results.json").read_text())["trials"]
    assert len(rows) == 3
    assert [row["mean"] for row in rows] == sorted((row["mean"] for row in rows), reverse=True)
    for row in rows:
        metrics = json.loads((out / "trials" / row["trial"] / "metrics.json").read_text())
        assert row["mean"] == metrics["epochs"][-1]["mean"]
        assert row["chosen"]["learning_rate"] == metrics["recipe"]["learning_rate"]
    assert not list(out.glob("trials/*/checkpoint.pt"))
    with pytest.raises(Fatal, match=r"search\.trials"):
        search(base, [posts], out, Search((LEARNING_RATES,), trials=4, grace=2))
