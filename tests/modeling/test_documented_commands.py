"""Commands that the pages and recipes show must exist, with every option that they show."""

import argparse
import shlex
import subprocess
from pathlib import Path

import pytest

from worker.modeling.cli import COMMANDS

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
        "out/student/metrics.json",
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


@pytest.mark.parametrize("more", [(), ("TEACH=1",), ("FROM={}/bundle",)])
@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_commands_of_a_recipe_have_the_options_given(recipe: str, more: tuple[str, ...], tmp_path: Path) -> None:
    for name in (*RECIPES[recipe], "bundle/manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    text = (ROOT / "worker" / "modeling" / "recipes" / recipe).read_text()
    targets = ["all", *(["tune"] if "\ntune:" in text else [])]
    given = [
        "MODEL=moderation-model",
        *(option.format(tmp_path) for option in more),
        f"DATA={tmp_path}",
        f"OUT={tmp_path / 'out'}",
    ]
    done = subprocess.run(
        ["make", "-n", "-f", f"worker/modeling/recipes/{recipe}", *targets, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = _commands(done.stdout)

    assert shown
    for arguments in shown:
        _parse(arguments)
    if recipe == "english.mk":
        steps = [arguments[0] for arguments in shown]
        assert steps.count("restore") == any("FROM" in option for option in more)
        assert steps.count("train") == 2 * ("TEACH=1" in more)


def test_tables_explain_the_student_that_is_there(tmp_path: Path) -> None:
    def target(name: str) -> list[str]:
        (tmp_path / "out" / "student" / name).touch()
        given = ["MODEL=moderation-model", f"DATA={tmp_path}", f"OUT={tmp_path / 'out'}", "-n"]
        made = f"{tmp_path}/out/tables/gradients.json"
        done = subprocess.run(
            ["make", "-f", "worker/modeling/recipes/tables.mk", made, *given],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return [arguments[0] for arguments in _commands(done.stdout)]

    (tmp_path / "out" / "student").mkdir(parents=True)
    for name in RECIPES["tables.mk"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "out" / "student" / "metrics.json").unlink()
    assert target("restored.json") == ["explain"]


def _commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.strip().startswith("moderation-model ")]


def _parse(arguments: list[str]) -> None:
    """Leave with argparse's message where an option does not exist."""
    found = [c for c in COMMANDS if c.__name__.rpartition(".")[2].replace("_", "-") == arguments[0]]
    assert found, f"moderation-model {arguments[0]}: no such command"
    parser = argparse.ArgumentParser(prog=shlex.join(arguments), allow_abbrev=False)
    found[0].add(parser)
    parser.parse_args(arguments[1:])
