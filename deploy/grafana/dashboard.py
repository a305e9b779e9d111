"""The dashboard: its variables, its rows, and the marks of alerts over all of it."""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableOption, VariableRefresh, VariableSort

from deploy.grafana import flow, work
from deploy.grafana.panels import SOURCE
from deploy.grafana.queries import JOB

FILE = Path(__file__).with_name("moderation-worker.json")
ROWS = (
    ("SLO: every partition less than 30 s behind, 99 % of the time", flow.SLO),
    ("Kafka", flow.KAFKA),
    ("Batching and inference", work.INFERENCE),
    ("Decisions", work.DECISIONS),
    ("Dead letters", work.DEAD_LETTERS),
    ("Runtime", work.RUNTIME),
)


def rendered() -> str:
    """The dashboard as Grafana's JSON (schema of version 11.6)."""
    return json.dumps(dashboard().build(), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


def dashboard() -> Dashboard:
    """The dashboard, with panels placed and numbered."""
    board = (
        Dashboard("Moderation worker")
        .uid("moderation-worker")
        .description("Posts in, verdicts out: in time, how many, how judged, and what stands in the way.")
        .tags(["moderation-worker", "kafka"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("job", "Job", "label_values(moderation_build_info, job)"))
        .with_variable(_choice("instance", "Instance", f"label_values(moderation_build_info{{{JOB}}}, instance)"))
        .with_variable(_choice("topic", "Topic", f"label_values(moderation_consumer_lag{{{JOB}}}, topic)"))
        .with_variable(_choice("label", "Label", f"label_values(moderation_score_count{{{JOB}}}, label)"))
        .annotation(
            AnnotationQuery()
            .name("Alerts")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr(f'ALERTS{{alertname=~"Moderation.*", alertstate="firing", {JOB}}}')
        )
    )
    number = 0
    for title, panels in ROWS:
        number += 1
        board.with_row(Row(title).id(number))
        for panel in panels:
            number += 1
            board.with_panel(panel.id(number))
    return board


def _choice(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )
