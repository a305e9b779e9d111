"""Check manifests: `python -m tests.deploy OVERLAY [FOLDER OF CRDS]`; OVERLAY `-` reads rendered ones. Status 1 where one is wrong."""

import sys
from pathlib import Path

from tests.deploy.checking import problems
from tests.deploy.kinds import CRDS
from tests.deploy.rendering import objects, render


def main(overlay: str, crds: str | Path = CRDS) -> int:
    """Print each problem on a line, and the count of objects."""
    manifests = objects(sys.stdin.read()) if overlay == "-" else render(Path(overlay))
    found = problems(manifests, Path(crds))
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    sys.stdout.write(f"{len(manifests)} objects, {len(found)} problems\n")
    return 1 if found or not manifests else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
