"""The dashboard: what is committed is what the code says, and every panel tells what it shows."""

import re

from deploy.grafana.dashboard import rendered
from load_tests.dashboard.board import FILE, board, panels, variables
from load_tests.dashboard.known import series
from load_tests.dashboard.promql import selectors

BOARD = board()
PANELS = list(panels(BOARD))
QUERIES = [(panel.title, expression) for panel in PANELS for expression, _ in panel.queries]


def test_committed_dashboard_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == rendered(), "run: python -m deploy.grafana"


def test_rows_and_variables_are_those_that_operators_look_for() -> None:
    rows = [panel["title"].split(":")[0] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["SLO", "Kafka", "Batching and inference", "Decisions", "Dead letters", "Runtime"]
    assert [variable["name"] for variable in BOARD["templating"]["list"]] == [
        *("datasource", "job", "instance", "topic", "label")
    ]


def test_every_panel_has_a_title_of_its_own_a_description_and_a_unit() -> None:
    assert len({panel.title for panel in PANELS}) == len(PANELS)
    assert len({panel.model["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel.model["description"].endswith("."), panel.title
        assert panel.model["fieldConfig"]["defaults"]["unit"], panel.title
        assert panel.queries, panel.title
        assert all(legend for _, legend in panel.queries), panel.title


def test_every_query_asks_the_chosen_data_source() -> None:
    for panel in PANELS:
        assert {target["datasource"]["uid"] for target in panel.model["targets"]} == {"${datasource}"}, panel.title


def test_every_query_is_restricted_to_the_chosen_jobs() -> None:
    for title, expression in QUERIES:
        asked = [matchers for name, matchers in selectors(expression) if name != "moderation_build_info"]
        assert all('job=~"$job"' in matchers for matchers in asked), title


def test_ranges_follow_the_scrapes() -> None:
    """A fixed range is empty where scrapes are rarer, and hides what lies between points where one looks at days."""
    for title, expression in QUERIES:
        fixed = set(re.findall(r"\[([^\]]+)\]", expression)) - {"$__rate_interval", "$__range"}
        assert fixed <= {"1d"}, title  # which jobs there were within a day
        assert "irate" not in expression, title


def test_queries_and_variables_select_only_series_that_exist() -> None:
    known = series()
    asked = [*QUERIES, *variables(BOARD).items()]
    assert {(title, name) for title, query in asked for name, _ in selectors(query) if name not in known} == set()


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (1 + max(y for _, y in taken)), "a line has room left"
