"""Panels of Grafana's dashboard model, with the options of its panel types since version 10."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from string import ascii_uppercase
from typing import Any, Final, Literal

from exporter.kinds.phase import Phase

Model = dict[str, Any]
Options = Mapping[str, Any]

DATA_SOURCE: Final[Mapping[str, str]] = {"type": "prometheus", "uid": "${datasource}"}

# The text of a panel without data, and of an empty cell of a table.
NO_EXPORTER: Final = "No exporter is scraped"
NOT_REPORTED: Final = "AWS does not report it"
EMPTY_CELL: Final = "-"

PHASE_COLORS: Final[Mapping[Phase, str]] = {
    Phase.WAITING: "purple",
    Phase.RUNNING: "blue",
    Phase.ENDING: "yellow",
    Phase.UNKNOWN: "super-light-yellow",
    Phase.FAILED: "red",
    Phase.STOPPED: "orange",
    # Not green: completed does not mean success. The count of failures has the colours for success and failure.
    Phase.COMPLETED: "#7b8087",
    Phase.ENDED: "#7b8087",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visualization:
    """A panel type with its options. ``instant`` queries only the end of the time range."""

    type: str
    options: Options
    custom: Options = field(default_factory=dict)
    color: Literal["thresholds", "palette-classic"] = "thresholds"
    format: Literal["time_series", "table", "heatmap"] = "time_series"
    instant: bool = False


def _stat(text: str, color: str) -> Visualization:
    options = {
        "colorMode": color,
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": text,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return Visualization(type="stat", options=options, instant=True)


def _graph(fill_opacity: int, stacking: str) -> Visualization:
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": fill_opacity,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": stacking, "group": "A"},
    }
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return Visualization(type="timeseries", options=options, custom=custom, color="palette-classic")


STATE_BARS: Final = Visualization(
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
# The distribution of values over the buckets of a histogram.
HEATMAP: Final = Visualization(
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


def _table_sorted_by(column: str) -> Visualization:
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "sortBy": [{"displayName": column, "desc": True}] if column else [],
    }
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False}
    return Visualization(type="table", options=options, custom=custom, format="table", instant=True)


def _alerts_with(labels: str) -> Visualization:
    """Return a list of the firing and pending alerts that label matchers select. It needs no query."""
    options = {
        "viewMode": "list",
        "groupMode": "default",
        "groupBy": [],
        "maxItems": 20,
        # The most important state first.
        "sortOrder": 3,
        "dashboardAlerts": False,
        "alertName": "",
        "alertInstanceLabelFilter": labels,
        "showInstances": True,
        "stateFilter": {
            "firing": True,
            "pending": True,
            "recovering": True,
            "noData": False,
            "normal": False,
            "error": False,
        },
    }
    return Visualization(type="alertlist", options=options)


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and the legend of its series with ``{{label}}`` references. Grafana chooses an empty legend itself."""

    expr: str
    legend: str = ""


# The steps of thresholds: the values from which a colour applies. None is the base step.
Steps = Sequence[tuple[float | None, str]]
NEUTRAL: Final[Steps] = ((None, "text"),)
GOOD_AT_ZERO: Final[Steps] = ((None, "green"), (1, "red"))
GOOD_AT_ONE: Final[Steps] = ((None, "red"), (1, "green"))
# Seconds.
DATA_AGE: Final[Steps] = ((None, "green"), (300, "yellow"), (600, "red"))


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. ``width`` is in 24ths of the page. ``overrides`` change the defaults for some series or columns.

    Panels without a width share the width of their row equally.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    _: KW_ONLY
    visualization: Visualization
    width: int | None = None
    no_value: str = NO_EXPORTER
    decimals: int | None = None
    min: float | None = None
    max: float | None = None
    steps: Steps = NEUTRAL
    mappings: tuple[Model, ...] = ()
    overrides: tuple[Model, ...] = ()
    transformations: tuple[Model, ...] = ()

    def model(self, id: int, position: Mapping[str, int]) -> Model:
        """Return the panel as JSON, with its id and its position on the grid."""
        return {
            "id": id,
            "type": self.visualization.type,
            "title": self.title,
            "description": self.description,
            "datasource": dict(DATA_SOURCE),
            "gridPos": dict(position),
            "targets": [self._target(_reference(number), query) for number, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": list(self.overrides)},
            "options": dict(self.visualization.options),
            "transformations": list(self.transformations),
        }

    def _target(self, reference: str, query: Query) -> Model:
        return {
            "refId": reference,
            "datasource": dict(DATA_SOURCE),
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "format": self.visualization.format,
            "instant": self.visualization.instant,
            "range": not self.visualization.instant,
        }

    def _defaults(self) -> Model:
        limits = {"decimals": self.decimals, "min": self.min, "max": self.max}
        return {
            "unit": self.unit,
            **{name: limit for name, limit in limits.items() if limit is not None},
            "noValue": self.no_value,
            "color": {"mode": self.visualization.color},
            "mappings": list(self.mappings),
            "thresholds": thresholds(self.steps),
            "custom": dict(self.visualization.custom),
        }


def _reference(number: int) -> str:
    """Return the reference of a query in its panel: A to Z, AA to ZZ."""
    return ascii_uppercase[number % len(ascii_uppercase)] * (number // len(ascii_uppercase) + 1)


lines = partial(Panel, visualization=_graph(0, "none"))
stacked_areas = partial(Panel, visualization=_graph(25, "normal"), min=0)
# A panel with the name of the series and not its value.
name_stat = partial(Panel, visualization=_stat("name", "background"), unit="none")
# One bar for each series over time, in the colour of its state.
state_bars = partial(Panel, visualization=STATE_BARS, unit="none")


def stat(title: str, description: str, expr: str, unit: str = "short", **properties: Any) -> Panel:
    """Return a panel with one number: the result of a query at the end of the time range."""
    return Panel(title, description, (Query(expr),), unit, visualization=_stat("value", "value"), **properties)


def alert_list(title: str, description: str, labels: str) -> Panel:
    """Return a panel with the alerts that have these labels, as matchers in braces."""
    return Panel(title, description, (), "none", visualization=_alerts_with(labels))


# Properties of a column that colour its text or its background by its value.
COLORED_TEXT: Final[Options] = {"custom.cellOptions": {"type": "color-text"}}
COLORED_BACKGROUND: Final[Options] = {"custom.cellOptions": {"type": "color-background", "mode": "basic"}}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the name of its field, its title, and the properties that differ from the table's."""

    name: str
    title: str
    properties: Options = field(default_factory=dict)

    def override(self) -> Model:
        """Return the column as an override of the table."""
        properties = {"displayName": self.title, **self.properties}
        return {
            "matcher": {"id": "byName", "options": self.name},
            "properties": [{"id": id, "value": value} for id, value in properties.items()],
        }


def table(
    title: str,
    description: str,
    queries: Sequence[str],
    columns: Sequence[Column],
    *,
    sort_by: str = "",
    more_fields: str = "",
    width: int | None = None,
) -> Panel:
    """Return a table that joins the results of its queries on their common labels.

    The rows are in descending order of the column ``sort_by``. The table also shows the fields whose name matches the
    regular expression ``more_fields``.
    """
    return Panel(
        title,
        description,
        tuple(Query(query) for query in queries),
        visualization=_table_sorted_by(sort_by),
        width=width,
        no_value=EMPTY_CELL,
        overrides=tuple(column.override() for column in columns),
        transformations=_join([column.name for column in columns], more_fields),
    )


def _join(fields: Sequence[str], more_fields: str) -> tuple[Model, ...]:
    # The join must be first. A query without a result shares only its time field, and the filter removes that field.
    shown = {"names": list(fields), **({"pattern": f"/{more_fields}/"} if more_fields else {})}
    order = {field: number for number, field in enumerate(fields)}
    return (
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": shown}},
        {"id": "organize", "options": {"excludeByName": {}, "indexByName": order, "renameByName": {}}},
    )


def value_mappings(texts: Mapping[str, tuple[str, str]]) -> tuple[Model, ...]:
    """Return mappings of values to texts and their colours."""
    options = {
        value: {"index": number, "text": text, "color": color}
        for number, (value, (text, color)) in enumerate(texts.items())
    }
    return ({"type": "value", "options": options},)


UP_OR_DOWN: Final = value_mappings({"0": ("down", "red"), "1": ("up", "green")})


def thresholds(steps: Steps) -> Model:
    """Return steps as Grafana's thresholds."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def series_colors(colors: Iterable[tuple[str, str]]) -> tuple[Model, ...]:
    """Return overrides that set a colour for each series whose complete name matches a regular expression."""
    return tuple(
        {
            "matcher": {"id": "byRegexp", "options": f"/^({pattern})$/i"},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for pattern, color in colors
    )
