"""Which experiment a directory holds, so that a second call goes on with it and never mixes it with another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.writing import write_text


def claim(note: Path, settings: Mapping[str, Any]) -> None:
    """Write `settings` to `note`, or find there what an earlier call with the same wrote.

    Raises Fatal naming the settings that differ, or that the file is not a note of this kind.
    """
    wanted = json.loads(json.dumps(settings))
    if not note.exists():
        write_text(note, json.dumps(wanted, indent=2) + "\n")
        return
    try:
        found = dict(json.loads(note.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError) as error:
        raise Fatal(f"{note}: cannot be read ({error}): remove it or choose another --out") from error
    changed = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    if changed:
        raise Fatal(f"{note}: of other settings ({', '.join(changed)}): remove {note.parent} or choose another --out")
