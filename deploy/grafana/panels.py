"""Two kinds of panel, and what all of them share: data source, legends, thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DynamicConfigValue, Threshold, ThresholdsMode

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HALF, THIRD, QUARTER, NARROW = 12, 8, 6, 4
"""Widths of panels, of 24."""

Panel = stat.Panel | timeseries.Panel
Colour = Literal["green", "yellow", "orange", "red"]
Level = tuple[float | None, Colour]
"""From this value on (None: from the beginning) this colour."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask Prometheus, and how its series are called: words, with `{{label}}`."""

    expression: str
    legend: str


def number(
    title: str,
    description: str,
    unit: str,
    query: Query,
    levels: Sequence[Level],
    *,
    decimals: int | None = None,
    height: int = 4,
) -> stat.Panel:
    """One value as of now, coloured by its level, with a line of how it came there."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(NARROW)
        .height(height)
        .thresholds(_thresholds(levels))
        .color_mode(BigValueColorMode.BACKGROUND_SOLID if len(levels) > 1 else BigValueColorMode.NONE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query, "A"))
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limit: float | None = None,
    stacked: bool = False,
    steps: bool = False,
    top: float | None = None,
    width: int = THIRD,
    colours: Mapping[str, Colour] | None = None,
) -> timeseries.Panel:
    """Series over time. `limit`: a dashed red line; `stacked`: bars that add up; `steps`: states; `top`: of the axis.

    `colours`: of legends that mean good or bad; the others are told apart only.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .axis_soft_min(0)
        .span(width)
        .height(8)
        .draw_style(GraphDrawStyle.BARS if stacked else GraphDrawStyle.LINE)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
        .fill_opacity(80 if stacked else 10)
        .line_width(0 if stacked else 2)
        .line_interpolation(LineInterpolation.STEP_AFTER if steps else LineInterpolation.LINEAR)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if top is not None:
        panel.axis_soft_max(top)
    if limit is not None:
        panel.thresholds(_thresholds([(None, "green"), (limit, "red")]))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for name, colour in (colours or {}).items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [DynamicConfigValue("color", fixed)])
    for query, reference in zip(queries, "ABCDEFGH", strict=False):
        panel.with_target(_target(query, reference))
    return panel


def _thresholds(levels: Sequence[Level]) -> ThresholdsConfig:
    steps = [Threshold(value, color) for value, color in levels]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _target(query: Query, reference: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(query.expression)
        .legend_format(query.legend)
        .range()
        .ref_id(reference)
    )
