"""Bundles that come with the worker, and what the name of one means."""

from pathlib import Path

BUNDLES = Path(__file__).parent.parent / "bundles"


def bundle_directory(named: str | Path) -> Path:
    """The directory of a bundled model for its bare name (`ko`); a path for anything else.

    A bundled name comes first, so that what it means does not depend on where the worker was started; a directory of
    the same name is chosen by a path with a slash (`./ko`), which a Path forgets: give text, where there is one.
    """
    name = named.strip() if isinstance(named, str) else ""
    is_name = name not in {"", ".", ".."} and not {"/", "\\"}.intersection(name)
    return BUNDLES / name if is_name and (BUNDLES / name / "manifest.json").is_file() else Path(named)
