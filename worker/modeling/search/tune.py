"""Search for a recipe with Ray Tune: random draws, asynchronous successive halving (ASHA, Li et al. 2020) over epochs.

Resumable twice over: Ray keeps which trials are done, and a trial that was cut off goes on from its checkpoint.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

# Before Ray is imported: no telemetry, no log files beside ours, nothing about its own interface.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}

import ray
import torch
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search import BasicVariantGenerator

from worker.core.errors import Fatal
from worker.modeling.claim import claim
from worker.modeling.encoders.directories import alone
from worker.modeling.posts.examples import digest_of
from worker.modeling.search.tune_space import Dimension, apply, check_space
from worker.modeling.search.tune_table import Row, write_table
from worker.modeling.training.dev_sets import dev_digest, refuse_undecided
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import Metrics, kept_epoch, train
from worker.modeling.training.training_set import read_posts

# Ray misses result files that the loggers turned off above would have written; results are held in memory all the same.
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)

SEARCH = "search.json"
UNFINISHED = "unfinished"
_EXPERIMENT = "ray"


@dataclass(frozen=True, slots=True)
class Search:
    """What to try: `trials` draws from `space`, `concurrency` at a time.

    `grace`: epochs that every trial gets; then the better 1/`reduction` go on at each rung. `seed` draws the trials
    (that of the recipe is every trial's own).
    """

    space: tuple[Dimension, ...]
    trials: int = 16
    concurrency: int = 1
    grace: int = 1
    reduction: int = 3
    seed: int = 0


def search(base: Recipe, dev: Sequence[Path], out: Path, what: Search, checkpoint_seconds: float = 600.0) -> str:
    """Try `what` on `base`, or go on with it where `out` holds a part; write the table to `out` and return it.

    Trials are ranked by the mean AUROC over dev files and labels (selection halves). Raises Fatal where no trial
    succeeds or could, or `out` holds another search; KeyboardInterrupt after Ctrl-C, with the table of what is there.
    """
    if not dev:
        raise Fatal("--dev: trials are compared on development files: name at least one")
    check_space(base, what.space, dev)
    refuse_undecided(dev, base.labels)
    out = out.absolute()
    base, dev = _absolute(base), [path.absolute() for path in dev]
    searched: dict[str, Any] = {f"search.{key}": value for key, value in asdict(what).items()}
    searched |= {"dev": [*map(str, dev)], "dev_sha256": dev_digest(dev, base.labels)}
    weighted = apply(base, {d.field: 1.0 for d in what.space if "." in d.field})  # names are checked with the posts
    searched |= {"posts_sha256": digest_of(read_posts(weighted, dev)), **base.digests()}
    with alone(out):
        claim(out / SEARCH, {**asdict(base), **searched})
        cpus = max(1, len(os.sched_getaffinity(0)) // what.concurrency)
        gpus = 1 / what.concurrency if torch.cuda.is_available() else 0
        _start(cpus * what.concurrency)
        try:
            trainable = tune.with_resources(_trainable(base, dev, out, checkpoint_seconds), {"cpu": cpus, "gpu": gpus})
            results = _tuner(trainable, out, base, what).fit()
        finally:
            ray.shutdown()
        rows = [_row(results[i], out) for i in range(len(results))]
        table = write_table(out, rows, asdict(base))
        if any(row.state == UNFINISHED for row in rows) or len(rows) < what.trials:
            print(table, flush=True)
            raise KeyboardInterrupt
        _forget_checkpoints(out)
        failed = [row.state for row in rows if row.state.startswith("failed")]
        if len(failed) == len(rows):
            raise Fatal(f"{out}: no trial succeeded; the first {failed[0]}")
        return table


def _start(cpus: int) -> None:
    try:
        ray.init(
            include_dashboard=False,
            num_cpus=cpus,
            logging_level=logging.ERROR,
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:  # Ray raises bare exceptions, as where the machine is too busy to start in its 30 s
        raise Fatal(f"Ray did not start: {error} The same command goes on once the machine is less busy") from error


def _trainable(
    base: Recipe, dev: Sequence[Path], out: Path, checkpoint_seconds: float
) -> Callable[[dict[str, Any]], None]:
    def trial(chosen: dict[str, Any]) -> None:
        recipe = apply(base, chosen)
        told = 0

        def tell(history: Sequence[Metrics]) -> None:
            nonlocal told
            kept, told = kept_epoch(history, recipe), len(history)
            tune.report({"epoch": told, "mean": kept["mean"], "report_mean": _mean(kept["report"])})

        def report(history: Sequence[Metrics]) -> None:
            if len(history) < recipe.epochs:
                tell(history)

        directory = out / "trials" / tune.get_context().get_trial_id()
        found = train(recipe, dev, directory, checkpoint_seconds, report)["epochs"]
        # The last epoch is told only now: ASHA may stop a trial at any report, and this one has written its result.
        if len(found) > told:
            tell(found)

    return trial


def _tuner(trainable: Any, out: Path, base: Recipe, what: Search) -> tune.Tuner:
    space = {dimension.field: _domain(dimension) for dimension in what.space}
    experiment = out / _EXPERIMENT
    if tune.Tuner.can_restore(experiment):
        return tune.Tuner.restore(
            str(experiment), trainable, param_space=space, resume_unfinished=True, restart_errored=True
        )
    longest = max([base.epochs, *(int(v) for d in what.space if d.field == "epochs" for v in d.values)])
    scheduler = AsyncHyperBandScheduler(
        time_attr="epoch",
        max_t=longest + 1,
        grace_period=what.grace,
        reduction_factor=what.reduction,
    )
    return tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="mean",
            mode="max",
            num_samples=what.trials,
            reuse_actors=True,  # a process of its own would import torch for every trial
            scheduler=scheduler,
            search_alg=BasicVariantGenerator(max_concurrent=what.concurrency, random_state=what.seed),
        ),
        run_config=tune.RunConfig(
            name=_EXPERIMENT, storage_path=str(out), verbose=0, callbacks=[_Progress(what.trials)]
        ),
    )


class _Progress(tune.Callback):
    """A line for each epoch of each trial."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self._best = 0.0

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        """Say how far the search is."""
        self._best = max(self._best, result["mean"])
        number = int(trial.trial_id.rpartition("_")[2]) + 1  # `trials` has another order after an interruption
        print(
            f"trial {number}/{self._trials}, epoch {result['epoch']}: "
            f"mean AUROC {result['mean']:.4f}, best {self._best:.4f}",
            flush=True,
        )


def _row(result: Any, out: Path) -> Row:
    found = result.metrics or {}
    trial, epochs = found.get("trial_id", ""), found.get("epoch", 0)
    if result.error is not None:
        return Row(trial, dict(result.config or {}), None, None, epochs, f"failed: {_last_line(result.error)}")
    metrics = out / "trials" / trial / "metrics.json"
    # Ctrl-C may come between a trial's last result and Ray's note that it is done, which then is never written.
    told = bool(trial) and metrics.exists() and len(json.loads(metrics.read_text())["epochs"]) == epochs
    if not (found.get("done") or told):
        return Row(trial, dict(result.config or {}), found.get("mean"), found.get("report_mean"), epochs, UNFINISHED)
    state = "finished" if metrics.exists() else "stopped"
    return Row(trial, dict(result.config), found["mean"], found["report_mean"], epochs, state)


def _mean(scores: Mapping[str, Mapping[str, float]]) -> float | None:
    areas = [area for labels in scores.values() for area in labels.values()]
    return fmean(areas) if areas else None


def _last_line(error: BaseException) -> str:
    """The end of a remote traceback: what the trial itself raised."""
    return str(error).strip().splitlines()[-1]


def _domain(dimension: Dimension) -> Any:
    if dimension.values:
        return tune.choice(dimension.values)
    return (tune.loguniform if dimension.log else tune.uniform)(dimension.low, dimension.high)


def _absolute(recipe: Recipe) -> Recipe:
    """The recipe for processes that run in another directory."""

    def moved(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(str(Path(name).absolute()) for name in names)

    return replace(recipe, encoder=moved([recipe.encoder])[0], train=moved(recipe.train), clean=moved(recipe.clean))


def _forget_checkpoints(out: Path) -> None:
    """Optimiser states are three times the model, and nothing goes on from these."""
    for checkpoint in out.glob("trials/*/checkpoint.pt"):
        checkpoint.unlink()
