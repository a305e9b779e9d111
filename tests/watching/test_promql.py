"""Taking expressions apart, against what Prometheus' language says they are."""

import pytest

from load_tests.dashboard.promql import quickened, selectors, sides, tokens, without_thresholds


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", [("up", "")]),
        ('sum by (job, label) (rate(a_total{x=~"b|c"}[5m])) / on (job) d', [("a_total", '{x=~"b|c"}'), ("d", "")]),
        ("a > bool 3 and on (job) group_left () b unless ignoring (x) c offset 1h", [("a", ""), ("b", ""), ("c", "")]),
        ("job:a:sum * 14.4 > 1e3", [("job:a:sum", "")]),
        ('label_replace(a, "to", "$1", "from", "(.*) b")', [("a", "")]),
    ],
)
def test_selectors_are_what_reads_series(expression: str, expected: list[tuple[str, str]]) -> None:
    assert selectors(expression) == expected
    assert "".join(token.text for token in tokens(expression)) == expression


def test_thresholds_judge_instead_of_dropping() -> None:
    assert without_thresholds('a{b!="c"} > 3 and d == bool 1 unless e <= f') == (
        'a{b!="c"} > bool 3 and d == bool 1 and e <= bool f'
    )


def test_only_outer_alternatives_are_sides() -> None:
    assert sides("(a or b) > 1\nor\nc or f(d or e)") == ["(a or b) > 1", "c", "f(d or e)"]


def test_quickened_rule_has_shorter_ranges_and_offsets_and_the_same_numbers() -> None:
    assert quickened("rate(a[5m]) * 60 > max_over_time(b[1h:30s] offset 16m)", 60) == (
        "rate(a[5000ms]) * 60 > max_over_time(b[60000ms:500ms] offset 16000ms)"
    )
