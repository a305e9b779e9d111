"""The search: what may be varied, how trials are ranked, and going on where it was interrupted."""

import dataclasses
import json
import os
import random
import re
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.modeling.encoders.directories import alone
from worker.modeling.search.tune_space import DEFAULT_SEARCH, Dimension, apply, check_space, parse_dimension
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
        ("teacher_weight=0.3,0.5", "the fields are"),
        ("folds=2,3", "the fields are"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("warmup=0.1,1", "--search warmup: --warmup 1.0"),
        ("learning_rate=0..1e-3", "--search learning_rate: --learning-rate 0.0"),
        ("average=0.5..1", "--search average: --average 1.0"),
        ("epochs=0,2", "--search epochs: --epochs 0"),
    ],
)
def test_search_that_reaches_what_cannot_be_trained_is_refused(text: str, message: str) -> None:
    with pytest.raises(Fatal, match=message):
        check_space(Recipe("encoder", ("posts",)), (parse_dimension(text),), [Path("dev")])


def test_default_search_can_be_read() -> None:
    space = tuple(map(parse_dimension, DEFAULT_SEARCH))
    check_space(Recipe("encoder", ("posts",)), space, [Path("dev")])
    assert [dimension.field for dimension in space] == ["learning_rate", "epochs", "dropout", "weight_decay"]


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


@pytest.mark.parametrize(
    ("done", "written", "state"),
    [
        (True, 2, "finished"),
        (False, 2, "finished"),
        (False, 3, "unfinished"),
        (False, 0, "unfinished"),
        (True, 0, "stopped"),
    ],
)
def test_trial_that_wrote_all_it_told_is_finished_whatever_ray_noted(
    tmp_path: Path, done: bool, written: int, state: str
) -> None:
    from worker.modeling.search.tune import _row  # noqa: PLC0415 - Ray takes seconds to import

    if written:
        (tmp_path / "trials" / "a").mkdir(parents=True)
        (tmp_path / "trials" / "a" / "metrics.json").write_text(json.dumps({"epochs": [{}] * written}))
    metrics = {"trial_id": "a", "epoch": 2, "mean": 0.5, "report_mean": 0.5, "done": done}
    assert _row(SimpleNamespace(metrics=metrics, error=None, config={}), tmp_path).state == state


def test_resumed_trial_tells_of_the_best_epoch_of_all_and_of_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.modeling.search import tune  # noqa: PLC0415 - Ray takes seconds to import

    epochs = [{"mean": mean, "report": {}} for mean in (0.9, 0.7, 0.8)]
    told: list[tuple[int, float]] = []
    monkeypatch.setattr(
        "worker.modeling.search.tune.tune.report", lambda found: told.append((found["epoch"], found["mean"]))
    )
    monkeypatch.setattr(
        "worker.modeling.search.tune.tune.get_context", lambda: SimpleNamespace(get_trial_id=lambda: "a")
    )
    done = 0

    def part(*arguments: Any) -> dict[str, Any]:
        """What `train` does from its checkpoint on: two epochs more, at the third it ends."""
        nonlocal done
        for _ in range(2 if done == 0 else 1):
            done += 1
            arguments[-1](epochs[:done])
        if done < len(epochs):
            raise KeyboardInterrupt
        return {"epochs": epochs}

    monkeypatch.setattr(tune, "train", part)
    trial = tune._trainable(Recipe("encoder", (), epochs=3, patience=3), [], tmp_path, 600.0)
    with pytest.raises(KeyboardInterrupt):
        trial({})
    trial({})
    assert told == [(1, 0.9), (2, 0.9), (3, 0.9)]


def interrupt_when(trials: Path, count: int, stop: threading.Event) -> None:
    """Ctrl-C as soon as so many trials were begun: those before are finished."""
    while not stop.wait(0.1):
        if len(list(trials.glob("*"))) >= count:
            os.kill(os.getpid(), signal.SIGINT)
            return


def learnt(output: str) -> set[str]:
    """The trials of whose first epoch Ray heard. (Of the last it may hear twice, where Ctrl-C came between the two.)"""
    return set(re.findall(r"^trial (\d)/3, epoch 1:", output, flags=re.MULTILINE))


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")  # Ray's own
def test_interrupted_search_goes_on_and_ranks_what_each_trial_reached(
    encoder: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from worker.modeling.search.tune import Search, search  # noqa: PLC0415 - Ray takes seconds to import

    base = Recipe(str(encoder), (str(posts),), epochs=2, batch_size=16, max_length=32)
    what, out, dev = Search((LEARNING_RATES,), trials=3, grace=2), tmp_path / "out", tmp_path / "dev.jsonl"
    write_posts(dev, random.Random(8), 90)
    stop = threading.Event()
    watcher = threading.Thread(target=interrupt_when, args=(out / "trials", 2, stop))
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            search(base, [dev], out, what, checkpoint_seconds=0)
    finally:
        stop.set()
        watcher.join()
    before = learnt(capsys.readouterr().out)
    assert before

    search(base, [dev], out, what)
    after = learnt(capsys.readouterr().out)
    assert not before & after
    rows = json.loads((out / "results.json").read_text())["trials"]
    assert len(rows) == 3
    assert [row["mean"] for row in rows] == sorted((row["mean"] for row in rows), reverse=True)
    for row in rows:
        metrics = json.loads((out / "trials" / row["trial"] / "metrics.json").read_text())
        assert row["mean"] == metrics["epochs"][-1]["mean"]
        assert row["chosen"]["learning_rate"] == metrics["recipe"]["learning_rate"]
    assert not list(out.glob("trials/*/checkpoint.pt"))
    with alone(out), pytest.raises(Fatal, match="another run writes to it"):
        search(base, [dev], out, what)
    mars = Dimension("source_weights.mars", (1.0,))
    with pytest.raises(Fatal, match=r"--source-weight mars: .* there are posts"):
        search(base, [dev], out, Search((mars,)))
    with pytest.raises(Fatal, match=r"search\.trials"):
        search(base, [dev], out, Search((LEARNING_RATES,), trials=4, grace=2))
    (tmp_path / "other.jsonl").write_text(posts.read_text().replace("sun", "rain"))
    with pytest.raises(Fatal, match="posts_sha256, train"):
        search(dataclasses.replace(base, train=(str(tmp_path / "other.jsonl"),)), [dev], out, what)
