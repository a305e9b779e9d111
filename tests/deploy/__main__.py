"""Check manifests: `python -m tests.deploy OVERLAY`; OVERLAY `-` reads rendered ones. Status 1 where one is wrong."""

import argparse
import sys
from pathlib import Path

from tests.deploy.checking import problems
from tests.deploy.kinds import CRDS
from tests.deploy.rendering import RenderError, objects, render


def main() -> int:
    """Print each problem on a line, and the count of objects."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy", description=__doc__)
    parser.add_argument("overlay", help="folder of a kustomization, or - for rendered manifests on standard input")
    parser.add_argument("--crds", type=Path, default=CRDS, help="folder of more CustomResourceDefinitions")
    parser.add_argument(
        "--exists", action="append", default=[], metavar="KIND/NAME", help="what the cluster has already"
    )
    asked = parser.parse_args()
    try:
        manifests = objects(sys.stdin.read()) if asked.overlay == "-" else render(Path(asked.overlay))
    except RenderError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    found = problems(manifests, asked.crds, existing=asked.exists)
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    sys.stdout.write(f"{len(manifests)} objects, {len(found)} problems\n")
    return 1 if found or not manifests else 0


if __name__ == "__main__":
    sys.exit(main())
