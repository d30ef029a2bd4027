"""How panels are drawn: the options of Grafana's own panel types, as they have been since version 10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Options = Mapping[str, Any]
BY_THRESHOLD: Final[Options] = {"mode": "thresholds"}
BY_SERIES: Final[Options] = {"mode": "palette-classic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A panel type with its options. ``instant`` asks for the end of the time range alone."""

    type: str
    options: Options
    custom: Options = field(default_factory=dict)
    color: Options = field(default_factory=lambda: BY_THRESHOLD)
    format: Literal["time_series", "table", "heatmap"] = "time_series"
    instant: bool = False


def _stat(text: str, color: str) -> Drawing:
    options = {
        "colorMode": color,
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": text,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return Drawing(type="stat", options=options, instant=True)


def _graph(filled: int, stacking: str) -> Drawing:
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": filled,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": stacking, "group": "A"},
    }
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return Drawing(type="timeseries", options=options, custom=custom, color=BY_SERIES)


FIGURE: Final = _stat("value", "value")
"""One figure."""
NAME: Final = _stat("name", "background")
"""The name of the series instead of its figure."""
LINES: Final = _graph(0, "none")
AREAS: Final = _graph(25, "normal")
"""Areas on top of each other."""
BARS: Final = Drawing(
    type="state-timeline",
    options={
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "never",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    },
    custom={"fillOpacity": 80, "lineWidth": 0},
)
"""One bar for each series over time, in the colour of its state."""
HEAT: Final = Drawing(
    type="heatmap",
    format="heatmap",
    options={
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "reqps"},
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    },
)
"""How durations spread over the buckets of a histogram."""


def rows_sorted_by(column: str) -> Drawing:
    """Return a table, the largest of a column first; of none, in the order of the query."""
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "sortBy": [{"displayName": column, "desc": True}] if column else [],
    }
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False}
    return Drawing(type="table", options=options, custom=custom, format="table", instant=True)
