"""How a comparison finds out what is too much, and all of it, small, on a real broker."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from load_tests.bench.lab import Lab, Run
from load_tests.bench.measures import Pair
from load_tests.bench.observe import Seen
from load_tests.drive import RunError
from load_tests.feed import Fed
from load_tests.history import Report
from load_tests.peers import __main__ as command
from load_tests.peers import compare
from load_tests.peers.compare import MORE, MOST_TRIES, Comparison, Plan
from load_tests.peers.table import WAYS, WORKER


@dataclass
class Served:
    """A lab whose way does so many posts a second, in order, each at its time or as soon as it can."""

    per_second: float
    late_seconds: float = 0.0
    asked: list[int] = field(default_factory=list)

    async def feed(self, _names: Any, _way: Any, _warm: Any, _load: Any, due: Iterable[float]) -> Run:
        free, pairs = 0.0, []
        for at in due:
            free = max(at, free) + 1 / self.per_second
            pairs.append(Pair(int(at * 1000), int(free * 1000)))
        self.asked.append(len(pairs))
        return Run(Seen(Report(), pairs), Fed(len(pairs), self.late_seconds), [], 0)


def comparison(lab: Served, expected: float) -> Comparison:
    made = Comparison(cast("Lab", lab), Plan([], Path(), Path()), Path())
    made._overload[WORKER] = expected
    return made


async def test_a_peak_is_what_is_done_while_posts_pile_up() -> None:
    lab = Served(100)
    assert await comparison(lab, 150)._overloaded(WORKER) == pytest.approx(100, rel=0.02)
    assert len(lab.asked) == 1


async def test_more_come_until_posts_pile_up() -> None:
    lab = Served(100)
    assert await comparison(lab, 70)._overloaded(WORKER) == pytest.approx(100, rel=0.02)
    assert lab.asked == [pytest.approx(20 * 70 * MORE**tried, rel=0.1) for tried in range(3)]


async def test_what_a_late_generator_left_undone_is_no_overload() -> None:
    lab = Served(100, late_seconds=8)
    await comparison(lab, 130)._overloaded(WORKER)
    assert len(lab.asked) == 2


async def test_no_peak_is_claimed_where_nothing_piles_up() -> None:
    lab = Served(1_000)
    with pytest.raises(RunError, match="did not pile up"):
        await comparison(lab, 50)._overloaded(WORKER)
    assert len(lab.asked) == MOST_TRIES


@pytest.mark.broker
@pytest.mark.filterwarnings("ignore")  # torch's exporter is deprecated
@pytest.mark.timeout(900)
def test_every_way_is_compared_on_a_real_broker(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In so short a time nothing need pile up: how fast this machine is must not decide.
    for name, value in (("FEWEST_POSTS", 100), ("LONE_SECONDS", 3.0), ("PILED_UP_SECONDS", -1_000.0)):
        monkeypatch.setattr(compare, name, value)
    line = "--rounds 1 --drain-seconds 1 --level-seconds 3 --posts 150 --longest 60"
    out = tmp_path / "found.json"
    assert command.main([*line.split(), "--weights", str(weights), "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found == json.loads(out.read_text(encoding="utf-8"))
    assert found["posts_per_second"].keys() == set(WAYS)
    assert min(found["posts_per_second"].values()) > 0
    ratios = ("vs_usual_peer", "vs_hf_pipeline", "of_model_only", "lone_post_ratio", "drain_of_peak")
    assert min(found[name] for name in ratios) > 0
    assert 0 <= found["stolen_share"] < 1
    assert found["p99_ms_at_80_percent"] == found["latency_ms"]["worker 80%"]["p99"] > 0
