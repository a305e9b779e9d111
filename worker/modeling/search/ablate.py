"""What each choice of the normaliser, or another of a recipe, is worth: one change at a time against a base, several seeds, two settings.

In domain, and with one source left out of training and evaluated on: a choice may help by fitting a source's style,
which the second setting shows. All figures are of the selection halves of the development files, of the weights
that are kept: what is chosen here is reported on the other half.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from worker.core.errors import Fatal
from worker.modeling.claim import claim
from worker.modeling.encoders.directories import alone
from worker.modeling.posts.examples import digest_of, read_examples, source_of
from worker.modeling.posts.sampling import plain_name, sample_files
from worker.modeling.search.ablate_table import BASE, Run, write_tables
from worker.modeling.search.tune_space import apply, parse_dimension
from worker.modeling.training.dev_sets import dev_digest, refuse_undecided
from worker.modeling.training.network import encoder_digest
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import kept_epoch, train
from worker.modeling.training.training_set import read_posts
from worker.modeling.writing import write_text
from worker.text.options import Normalisation

SETTINGS = "ablation.json"
RUNS = "runs.jsonl"
IN_DOMAIN = "in domain"


@dataclass(frozen=True, slots=True)
class Ablation:
    """`posts` training posts in each run, drawn anew for each of `seeds`; `left_out`: a source, None for no such runs.

    `only`: names of the normaliser's options to vary, None for all. `also`: changes of the recipe as FIELD=VALUE, of the
    numbers that tune searches and of `encoder`.
    """

    posts: int
    seeds: int = 3
    left_out: str | None = None
    only: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()


def variants(base: Recipe, only: Sequence[str] | None = None, also: Sequence[str] = ()) -> dict[str, Recipe]:
    """`base` and every recipe that differs from it in one choice, by name. Raises Fatal for an unknown option."""
    known = {field.name: get_args(field.type) for field in fields(Normalisation)}
    if unknown := set(only or ()).difference(known):
        raise Fatal(f"--only {' '.join(sorted(unknown))}: the options are {', '.join(known)}")
    chosen = asdict(base.normalisation)
    return (
        {BASE: base}
        | {
            f"{option}={choice}": replace(base, normalisation=Normalisation.of({**chosen, option: choice}))
            for option in (known if only is None else only)
            for choice in known[option]
            if choice != chosen[option]
        }
        | {change: _changed(base, change) for change in also}
    )


def _changed(base: Recipe, change: str) -> Recipe:
    field, _, value = change.partition("=")
    if field == "encoder":
        return replace(base, encoder=value)
    values = parse_dimension(change, "--also").values
    if len(values) != 1:
        raise Fatal(f"--also {change}: expected one value")
    return apply(base, {field: values[0]})


def ablate(base: Recipe, dev: Sequence[Path], out: Path, what: Ablation, checkpoint_seconds: float = 600.0) -> str:
    """Do the runs that `out` does not hold yet; write the table to `out` and return it.

    Raises Fatal where `out` holds another ablation or a file or option does not fit. Ctrl-C loses the run at hand only
    back to its checkpoint.
    """
    settings = _settings(base, dev, what)
    compared = variants(base, what.only, what.also)
    for recipe in compared.values():
        recipe.check(dev)
    for files in settings.values():
        refuse_undecided(files.dev, base.labels)
    shared: dict[str, Any] = {f"ablation.{key}": value for key, value in asdict(what).items()}
    shared |= {"dev": [*map(str, dev)], "dev_sha256": dev_digest(dev, base.labels)}
    for recipe in compared.values():
        if (recipe.source_weights, recipe.positive_weights) != (base.source_weights, base.positive_weights):
            read_posts(recipe)  # which knows the names
    shared |= {"posts_sha256": digest_of(read_posts(base))}
    encoders = sorted({recipe.encoder for recipe in compared.values()})
    shared |= {"encoders_sha256": {name: encoder_digest(Path(name)) for name in encoders}}
    with alone(out):
        claim(out / SETTINGS, {**asdict(base), **shared})
        done = _read(out / RUNS)
        wanted = [
            (setting, name, recipe, seed)
            for seed in range(base.seed, base.seed + what.seeds)  # by seed: an unfinished table compares whole seeds
            for setting in settings
            for name, recipe in compared.items()
        ]
        open_runs = [
            run for run in wanted if (run[0], run[1], run[3]) not in {(r.setting, r.variant, r.seed) for r in done}
        ]
        for number, (setting, name, recipe, seed) in enumerate(open_runs, 1):
            started = time.monotonic()
            run = Run(setting, name, seed, {})
            done.append(_run(replace(recipe, seed=seed), settings[setting], out, what, run, checkpoint_seconds))
            write_text(out / RUNS, "".join(json.dumps(asdict(run)) + "\n" for run in done))
            shutil.rmtree(_directory(out, run))
            minutes = (time.monotonic() - started) * (len(open_runs) - number) / 60
            print(
                f"run {number}/{len(open_runs)}: {setting}, {name}, seed {seed}: mean AUROC {done[-1].mean:.4f}; "
                f"{minutes:.0f} min left",
                flush=True,
            )
        for name in ("samples", "run"):
            shutil.rmtree(out / name, ignore_errors=True)
        return write_tables(out, done)


@dataclass(frozen=True, slots=True)
class _Setting:
    train: tuple[Path, ...]
    dev: tuple[Path, ...]


def _settings(base: Recipe, dev: Sequence[Path], what: Ablation) -> dict[str, _Setting]:
    if not dev:
        raise Fatal("--dev: variants are compared on development files: name at least one")
    files = tuple(map(Path, base.train))
    found = {IN_DOMAIN: _Setting(files, tuple(dev))}
    if what.left_out is not None:
        rest = tuple(path for path in files if source_of(path) != what.left_out)
        own = tuple(path for path in dev if source_of(path) == what.left_out)
        if not own or not rest or len(rest) == len(files):
            raise Fatal(
                f"--leave-out {what.left_out}: needs a file of it in --train and in --dev, and another in --train; "
                f"sources: {', '.join(sorted({source_of(path) for path in files}))}"
            )
        for path in (*rest, *map(Path, base.clean)):
            if any(e.source == what.left_out for e in read_examples(path, base.labels, one_sided=True)):
                raise Fatal(f"--leave-out {what.left_out}: {path} holds posts of that source too: leave the file out")
        found[f"without {what.left_out}"] = _Setting(rest, own)
    return found


def _run(recipe: Recipe, setting: _Setting, out: Path, what: Ablation, run: Run, checkpoint_seconds: float) -> Run:
    # One draw for all variants of a seed, and for both settings: they differ in nothing else.
    sample = sample_files([Path(p) for p in recipe.train], what.posts, recipe.seed, out / "samples" / str(recipe.seed))
    names = {plain_name(path) for path in setting.train}
    chosen = tuple(str(path) for path in sample if path.name in names)
    if run.setting != IN_DOMAIN:
        weights = {k: w for k, w in recipe.source_weights.items() if k != what.left_out}
        lost = {f"{what.left_out}:{label}" for label in recipe.labels}
        offsets = {k: x for k, x in recipe.source_offsets.items() if k not in lost}
        recipe = replace(recipe, source_weights=weights, source_offsets=offsets)
    metrics = train(
        replace(recipe, train=chosen), setting.dev, _directory(out, run), checkpoint_seconds, halves=("selection",)
    )
    return replace(run, scores=kept_epoch(metrics["epochs"], recipe)["selection"])


def _directory(out: Path, run: Run) -> Path:
    return out / "run" / re.sub(r"[^\w.=]+", "_", f"{run.setting} {run.variant} {run.seed}")


def _read(path: Path) -> list[Run]:
    if not path.exists():
        return []
    return list(_parsed(path))


def _parsed(path: Path) -> Iterator[Run]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row: dict[str, Any] = json.loads(line)
            yield Run(**row)
        except (ValueError, TypeError) as error:
            raise Fatal(f"{path}:{number}: no run of this program ({error}): remove the line") from error
