import pytest

from load_tests.dashboard.board import board, panels
from load_tests.dashboard.units import written


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "expected"),
    [
        (0.125, "percentunit", None, "12.5%"),
        (1, "percentunit", 0, "100%"),
        (0.0042, "s", None, "4.2 ms"),
        (0, "s", None, "0 s"),
        (42.25, "s", 1, "42.2 s"),
        (90, "s", None, "1.5 min"),
        (1536, "bytes", None, "1.5 KiB"),
        (250, "cps", None, "250 /s"),
        (12_300, "short", None, "12.3 K"),
        (7, "short", None, "7"),
        (14.44, "none", 1, "14.4"),
    ],
)
def test_value_is_written_with_its_unit(value: float, unit: str, decimals: int | None, expected: str) -> None:
    assert written(value, unit, decimals) == expected


def test_units_of_the_dashboard_are_known() -> None:
    for panel in panels(board()):
        written(1, panel.model["fieldConfig"]["defaults"]["unit"], None)


def test_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="parsec"):
        written(1, "parsec", None)
