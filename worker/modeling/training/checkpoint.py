"""Checkpoints of a run: written aside and renamed, refused where they belong to another recipe."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from worker.core.errors import Fatal


def save(path: Path, recipe: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write `state` (tensors, numbers, texts and containers of them) for a run of `recipe`.

    Raises Fatal as `write` does.
    """
    write(path, {"recipe": json.dumps(recipe), **state})


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write what torch saves, aside first.

    Raises Fatal where the disk is full or the folder cannot be written; an older file then still stands.
    """
    partial = path.with_suffix(".partial")
    try:
        torch.save(dict(content), partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise Fatal(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path, remedy: str = "remove it to start anew") -> dict[str, Any]:
    """What `write` wrote. Raises Fatal, saying to do `remedy`, where it is not there or damaged."""
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # zip, pickle: every layer has errors of its own
        raise Fatal(f"{path}: no checkpoint of this program ({error}); {remedy}") from error
    return content


def load(
    path: Path, recipe: Mapping[str, Any], usual: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any] | None:
    """What `save` wrote; None where there is no checkpoint. `usual`: what a recipe from before an option was there had.

    Raises Fatal where the file is damaged or belongs to a run with another recipe.
    """
    if not path.exists():
        return None
    state = read(path)
    try:
        found = {**json.loads(json.dumps(dict(usual))), **json.loads(state["recipe"])}
    except (KeyError, TypeError, ValueError) as error:
        raise Fatal(f"{path}: no checkpoint of this program ({error}); remove it to start anew") from error
    wanted = json.loads(json.dumps(recipe))
    if found != wanted:
        changed = ", ".join(sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key)))
        raise Fatal(f"{path}: belongs to a run with another recipe ({changed}); remove it or choose another --out")
    return state
