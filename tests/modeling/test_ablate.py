"""Ablation of the normaliser: pairs, intervals, one source left out, and going on where it stopped."""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.modeling.encoders.directories import alone
from worker.modeling.posts.halves import Half
from worker.modeling.posts.sampling import sample_files
from worker.modeling.search import ablate as module
from worker.modeling.search.ablate import Ablation, ablate, variants
from worker.modeling.search.ablate_table import BASE, Run, compare, markdown
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import train
from worker.text.options import Normalisation


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    files = [tmp_path / name for name in ("news.train.jsonl", "chat.train.jsonl", "chat.dev.jsonl")]
    for seed, path in enumerate(files):
        write_posts(path, random.Random(seed), 80)
    return files


def recipe(encoder: Path, sources: list[Path]) -> Recipe:
    return Recipe(str(encoder), tuple(map(str, sources[:2])), epochs=1, batch_size=16, max_length=32)


def test_every_variant_differs_from_the_base_in_one_option() -> None:
    written = Normalisation(quotes="drop")
    base = Recipe("encoder", (), normalisation=written)
    found = variants(base)
    assert found[BASE] == base
    assert len(found) == 1 + len(dataclasses.fields(Normalisation))
    assert found["quotes=keep"].normalisation == Normalisation()
    for name, variant in found.items():
        own = variant.normalisation
        differing = [f.name for f in dataclasses.fields(own) if getattr(written, f.name) != getattr(own, f.name)]
        assert differing == ([] if name == BASE else [name.partition("=")[0]])
        assert dataclasses.replace(variant, normalisation=written) == base


def test_directory_that_another_run_writes_to_is_refused(encoder: Path, sources: list[Path], tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    with alone(out), pytest.raises(Fatal, match="another run writes to it"):
        ablate(recipe(encoder, sources), sources[2:], out, Ablation(10))
    assert not list(out.iterdir())


def test_other_choices_of_a_recipe_are_variants_too() -> None:
    base = Recipe("encoder", ())
    found = variants(base, only=(), also=("encoder=small/one", "epochs=5", "source_weights.chat=0.5"))
    assert found == {
        BASE: base,
        "encoder=small/one": dataclasses.replace(base, encoder="small/one"),
        "epochs=5": dataclasses.replace(base, epochs=5),
        "source_weights.chat=0.5": dataclasses.replace(base, source_weights={"chat": 0.5}),
    }


@pytest.mark.parametrize("change", ["encoders=x", "epochs=1,2", "epochs=1..3", "epochs", "head=lstm"])
def test_a_change_that_is_no_choice_is_refused(change: str) -> None:
    with pytest.raises(Fatal, match=f"--also {change.partition('=')[0]}"):
        variants(Recipe("encoder", ()), also=(change,))


def test_runs_pair_variants_and_leave_the_source_out(
    encoder: Path, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []

    def spy(own: Recipe, dev: tuple[Path, ...], out: Path, seconds: float, halves: tuple[Half]) -> dict[str, Any]:
        assert (seconds, halves) == (7, ("selection",))
        texts = "".join(Path(name).read_text() for name in own.train)
        weights = own.source_weights | own.source_offsets
        seen.append(
            (own.seed, own.normalisation, [Path(n).name for n in own.train], [d.name for d in dev], texts, weights)
        )
        out.mkdir(parents=True)
        scores = {"chat.dev.jsonl": {"hate": 0.5 + own.seed / 10 + len(seen) / 100}}
        return {"epochs": [{"selection": scores}]}

    monkeypatch.setattr(module, "train", spy)
    what = Ablation(posts=120, seeds=2, left_out="chat", only=("emoji",))
    base = dataclasses.replace(
        recipe(encoder, sources), source_weights={"chat": 2.0}, source_offsets={"chat:hate": -1.0}
    )
    ablate(base, sources[2:], tmp_path / "out", what, checkpoint_seconds=7)

    assert len(seen) == 8
    weighted: dict[str, float] = {"chat": 2.0, "chat:hate": -1.0}
    assert [row[-1] for row in seen] == [weighted, weighted, {}, {}] * 2  # none for what is not there
    domain, changed, outside, outside_changed, *_ = seen
    assert (domain[1], changed[1]) == (Normalisation(), Normalisation(emoji="names"))
    assert domain[2:] == changed[2:]
    assert (outside[2], outside[3]) == (["news.train.jsonl"], ["chat.dev.jsonl"])
    assert outside_changed[2:] == outside[2:]
    assert outside[4] in domain[4]
    assert seen[4][4] != domain[4]  # another seed draws other posts
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [(r["setting"], r["variant"], r["seeds"]) for r in rows] == [
        (setting, variant, 2) for setting in ("in domain", "without chat") for variant in (BASE, "emoji=names")
    ]


def test_copies_of_the_source_that_is_left_out_are_refused(encoder: Path, sources: list[Path], tmp_path: Path) -> None:
    row = {"id": "1", "text": "a", "labels": {"hate": 1}, "source": "chat"}
    sources[0].write_text(sources[0].read_text() + json.dumps(row) + "\n")
    with pytest.raises(Fatal, match=r"--leave-out chat: .*news\.train\.jsonl holds posts of that source too"):
        ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", Ablation(posts=120, left_out="chat"))


def test_ablation_goes_on_where_it_was_interrupted(
    encoder: Path, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = 0
    what = Ablation(posts=100, seeds=1, only=("repeats", "emoji"))

    def interrupted(*arguments: Any, **options: Any) -> dict[str, Any]:
        nonlocal started
        started += 1
        if started == 3:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", what)
    first = (tmp_path / "out" / "runs.jsonl").read_text()
    assert len(first.splitlines()) == 2

    table = ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", what)
    assert started == 4
    assert (tmp_path / "out" / "runs.jsonl").read_text().startswith(first)
    assert ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", what) == table
    assert started == 4
    assert {path.name for path in (tmp_path / "out").rglob("*.jsonl")} == {"runs.jsonl"}  # no posts stay behind
    with pytest.raises(Fatal, match=r"ablation\.posts"):
        ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", dataclasses.replace(what, posts=50))
    sources[0].write_text(sources[0].read_text().replace("sun", "rain"))
    with pytest.raises(Fatal, match=r"\(posts_sha256\)"):
        ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", what)


def test_run_that_could_not_be_recorded_is_kept(
    encoder: Path, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, what = tmp_path / "out", Ablation(posts=100, seeds=1, only=())

    def full(path: Path, text: str) -> None:
        raise Fatal(f"{path}: no space for {len(text)} characters")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_text", full)
        with pytest.raises(Fatal, match="no space"):
            ablate(recipe(encoder, sources), sources[2:], out, what)
    assert (out / "run" / "in_domain_base_0" / "metrics.json").exists()
    ablate(recipe(encoder, sources), sources[2:], out, what)
    assert not (out / "run").exists()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (Ablation(10, left_out="mars"), "--leave-out mars"),
        (Ablation(10, left_out="news"), "--leave-out news"),
        (Ablation(10, only=("case",)), "--only case"),
        (Ablation(10, also=("source_weights.mars=2",)), "--source-weight mars: .* there are news, chat"),
    ],
)
def test_ablation_that_cannot_be_is_refused_by_its_option(
    encoder: Path, sources: list[Path], tmp_path: Path, what: Ablation, message: str
) -> None:
    with pytest.raises(Fatal, match=message):
        ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", what)


def test_damaged_line_of_finished_runs_is_named(encoder: Path, sources: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "runs.jsonl").write_text('{"setting": "in domain"}\n')
    with pytest.raises(Fatal, match=r"runs\.jsonl:1"):
        ablate(recipe(encoder, sources), sources[2:], tmp_path / "out", Ablation(10))


def test_differences_are_paired_by_seed_with_students_interval() -> None:
    base, other = (0.8, 0.7, 0.9), (0.81, 0.73, 0.92)
    runs = [Run("in domain", BASE, s, {"a": {"hate": v}}) for s, v in enumerate(base)]
    runs += [Run("in domain", "x", s, {"a": {"hate": v}}) for s, v in enumerate(other)]
    runs += [Run("in domain", "y", 7, {"a": {"hate": 0.9}})]  # no base of its seed: nothing to say
    first, found = compare(runs)
    assert (first.difference, first.low, first.high) == (0, None, None)
    assert found.difference == pytest.approx(0.02)
    assert found.low == pytest.approx(0.02 - 4.302653 * 0.01 / 3**0.5, abs=1e-6)
    assert found.high == pytest.approx(0.02 + 4.302653 * 0.01 / 3**0.5, abs=1e-6)
    assert "| x | 0.8200 | +0.0200 | -0.0048 … +0.0448 | 3 |" in markdown([first, found])


def test_sample_is_bounded_proportional_and_the_same_for_a_seed(tmp_path: Path) -> None:
    files = [tmp_path / "big.train.jsonl", tmp_path / "small.train.jsonl"]
    for path, count in zip(files, (900, 60), strict=True):
        write_posts(path, random.Random(1), count)
    found = sample_files(files, 300, 0, tmp_path / "one")
    counts = [len(path.read_text().splitlines()) for path in found]
    assert counts == [281, 50]
    assert set(found[0].read_text().splitlines()) <= set(files[0].read_text().splitlines())
    again = sample_files(files, 300, 0, tmp_path / "two")
    other = sample_files(files, 300, 1, tmp_path / "three")
    assert found[0].read_text() == again[0].read_text() != other[0].read_text()


def test_sample_of_a_compressed_file_is_that_of_the_plain_one(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.train.jsonl", tmp_path / "packed" / "a.train.jsonl.zst"
    write_posts(plain, random.Random(1), 90)
    packed.parent.mkdir()
    packed.write_bytes(zstandard.compress(plain.read_bytes()))
    (expected,), (found,) = (sample_files([path], 60, 0, tmp_path / path.suffix) for path in (plain, packed))
    assert found.name == "a.train.jsonl"
    assert found.read_text() == expected.read_text()


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="one name"):
        sample_files([tmp_path / "a" / "x.jsonl", tmp_path / "b" / "x.jsonl"], 10, 0, tmp_path)
