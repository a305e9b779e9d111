"""Sections of the card from the files that `export` and `suite` left in the bundle's directory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.export import parity
from worker.modeling.export.assembly import REPORT
from worker.modeling.suite import measure

SUITE = "suite.json"
_PARITY = """\
## What rounding to int8 costs

Scores as served beside those of the same weights in float32, calibrated alike, on all development posts; of decisions, the
share that is another one.
"""
_SUITE = """\
## Made-up cases

Sentences by phenomenon (`moderation-model suite`), none of whose templates, fillers and groups the augmentation has.
"""


def sections(bundle: Path, sha256: str) -> Iterator[str]:
    """A section for each file that is there. Raises Fatal where one is damaged or says that it is of another bundle."""
    if (bundle / REPORT).is_file() and (rows := read_json(bundle / REPORT).get("parity")):
        yield f"{_PARITY}\n{made(bundle / REPORT, lambda: parity.markdown(parity.from_json(rows)))}"
    if (bundle / SUITE).is_file():
        content = read_json(bundle / SUITE)
        if content.get("sha256") != sha256:
            raise Fatal(f"card: {bundle / SUITE}: was measured of another bundle: run `moderation-model suite` again")
        yield f"{_SUITE}\n{made(bundle / SUITE, lambda: measure.markdown(measure.from_json(content)))}\n"


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. Raises Fatal where it cannot be read or is no object."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Fatal(f"card: {path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise Fatal(f"card: {path}: no JSON object, which all that a card is made from are: make it again")
    return content


def made(path: Path, render: Callable[[], str]) -> str:
    """What `render` makes of a file's content. Raises Fatal where another version wrote that."""
    try:
        return render()
    except (KeyError, TypeError) as error:
        raise Fatal(f"card: {path}: written by another version ({error}): make it again") from error
