"""The command line of one run: what it asks for, and what it refuses."""

from pathlib import Path

import pytest

from load_tests.bench.__main__ import parse
from load_tests.bench.gate import Bounds
from load_tests.bench.profiles import PROFILES
from load_tests.bench.run import Plan
from load_tests.peers.__main__ import main as peers


def test_without_arguments_a_steady_minute_at_half_of_what_it_can() -> None:
    assert parse([]) == ("steady", Plan(PROFILES["steady"], 60.0, None, 0.5), Bounds(), None)


def test_every_argument_reaches_the_plan(tmp_path: Path) -> None:
    shape = tmp_path / "shape"
    shape.write_text("1\n3\n", encoding="utf-8")
    line = (
        "--profile burst --seconds 9 --rate 7 --load 0.3 --longest 40 --delivery exactly_once --partitions 2 --seed 5"
    )
    line += f" --calibration 300 --p50-ms 10 --p99-ms 99 --shape {shape} --texts {tmp_path} --out {tmp_path} --worker a"
    name, plan, bounds, out = parse(line.split())
    expected = Plan(
        PROFILES["burst"],
        9,
        7,
        0.3,
        (0.5, 1.5),
        5,
        tmp_path,
        40,
        "exactly_once",
        partitions=2,
        calibration=300,
        command="a",
    )
    assert (name, plan, bounds, out) == ("burst", expected, Bounds("exactly_once", 10, 99), tmp_path)


@pytest.mark.parametrize("arguments", [["--rate", "0"], ["--seconds", "-1"], ["--profile", "x"], ["--shape", "/none"]])
def test_what_makes_no_run_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(arguments)


def test_a_comparison_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        peers(["--rounds", "0"])
    assert "more than 0" in capsys.readouterr().err
