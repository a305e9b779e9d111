"""`python -m load_tests.dashboard`: does every panel and every rule return data? Exit status 1 where one does not."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from load_tests.dashboard.check import Found, check
from load_tests.dashboard.live import Script, live
from load_tests.dashboard.picture import draw
from load_tests.dashboard.prometheus import Pace
from load_tests.drive import RunError, say
from tests.harness.distribution import HarnessError

SCRIPT = Script(before=8, between=5, outage=6, after=10, posts_per_second=60, burst=200, hostile=9)
PACE = Pace(scrape=0.3, quicken=240)
"""An hour is 15 s: the rules' longest look back, an hour, ends inside the scene."""

FOR_A_PICTURE = Script(before=60, between=60, outage=60, after=0, posts_per_second=10, burst=300, hostile=40)
SLOWER = Pace(scrape=2, quicken=60)


async def _look() -> Found:
    async with live(SCRIPT, PACE) as scene:
        return await asyncio.to_thread(check, scene)


async def _draw(folder: Path) -> None:
    async with live(FOR_A_PICTURE, SLOWER) as scene:
        await asyncio.to_thread(draw, scene, folder)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m load_tests.dashboard", description=__doc__)
    parser.add_argument(
        "--picture", type=Path, metavar="FOLDER", help="instead draw a longer scene, as of the end of its outage"
    )
    folder = parser.parse_args(argv).picture
    try:
        if folder is not None:
            asyncio.run(_draw(folder))
            return 0
        found = asyncio.run(_look())
    except (HarnessError, RunError) as error:
        say(str(error))
        return 1
    for kind in ("empty", "unknown", "failing"):
        for what in getattr(found, kind):
            say(f"{kind}: {what}")
    print(json.dumps(asdict(found)))
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
