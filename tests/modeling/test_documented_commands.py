"""Commands that the pages and recipes show must exist, with every option that they show."""

import argparse
import shlex
import subprocess
from pathlib import Path

import pytest

from worker.modeling.augmentation.generate import generate
from worker.modeling.cli import COMMANDS
from worker.modeling.posts.examples import read_examples
from worker.modeling.training.recipe import LABELS
from worker.modeling.training.teacher_scores import TeacherScores

ROOT = Path(__file__).parents[2]
ENGLISH = (
    *("hatexplain.train.jsonl", "davidson.train.jsonl", "dynahate.train.jsonl", "mhs.train.jsonl"),
    *("toxigen.train.jsonl", "toxic_spans.train.jsonl", "reddit/posts.txt.zst"),
    *("hatexplain.dev.jsonl", "davidson.dev.jsonl", "dynahate.dev.jsonl", "mhs.dev.jsonl"),
)
RECIPES: dict[str, tuple[str, ...]] = {
    "tiny.mk": (),
    "korean.mk": ("beep_ko.train.jsonl", "beep_ko.dev.jsonl"),
    "english.mk": ENGLISH,
    "tables.mk": (
        *ENGLISH,
        "out/bundle/manifest.json",
        "out/bundle/evaluation-all.json",
        "out/student/metrics.json",
        "out/other/metrics.json",
        "out/deep/metrics.json",
        "out/base/metrics.json",
        "out/mean/metrics.json",
        "out/small/metrics.json",
        "out/encoder-128/config.json",
    ),
}
"""With the files that each wants in DATA, of which OUT is a folder here."""


@pytest.mark.parametrize("page", ["models.md", "explain.md"])
def test_commands_of_a_page_have_the_options_shown(page: str) -> None:
    shown = _commands((ROOT / "docs" / page).read_text())

    assert shown
    for arguments in shown:
        _parse(arguments)


@pytest.mark.parametrize("more", [(), ("TEACH=1",)])
@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_commands_of_a_recipe_have_the_options_given(recipe: str, more: tuple[str, ...], tmp_path: Path) -> None:
    _touch(tmp_path, *RECIPES[recipe])
    text = (ROOT / "worker" / "modeling" / "recipes" / recipe).read_text()
    targets = ["all", *(["tune"] if "\ntune:" in text else [])]
    shown = _planned(recipe, tmp_path, *targets, *more)

    assert shown
    for arguments in shown:
        _parse(arguments)
    if recipe == "english.mk":
        assert [arguments[0] for arguments in shown].count("train") == 2 * ("TEACH=1" in more)
        asked = [len(_parse(arguments).teacher) for arguments in shown if arguments[0] == "distill"]
        assert sorted(asked) == ([2, 2, 2, 2, 3, 3, 4, 4] if more else [0, 0, 0, 0, 0, 0])


def test_kept_scores_are_of_the_posts_that_the_templates_make(tmp_path: Path) -> None:
    made_up = tmp_path / "augmentation.train.jsonl"
    generate(made_up, seed=0, posts=12_000, spelling=(), share=0.1)
    examples = read_examples(made_up, LABELS)
    for name in ("teachers", "students", "best"):
        scores = TeacherScores.read(ROOT / "worker" / "modeling" / "recipes" / "english" / f"{name}.npz")
        assert all(scores.known(examples)), name


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _planned(recipe: str, folder: Path, *arguments: str) -> list[list[str]]:
    """The commands that make would run."""
    given = ["MODEL=moderation-model", f"DATA={folder}", f"OUT={folder / 'out'}", *arguments]
    done = subprocess.run(
        ["make", "-n", "-f", f"worker/modeling/recipes/{recipe}", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return _commands(done.stdout)


def _commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.strip().startswith("moderation-model ")]


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Leave with argparse's message where an option does not exist."""
    found = [c for c in COMMANDS if c.__name__.rpartition(".")[2].replace("_", "-") == arguments[0]]
    assert found, f"moderation-model {arguments[0]}: no such command"
    parser = argparse.ArgumentParser(prog=shlex.join(arguments), allow_abbrev=False)
    found[0].add(parser)
    return parser.parse_args(arguments[1:])
