"""Panels, as Grafana's dashboard model has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any, Final

from exporter.monitoring.dashboards.drawings import FIGURE, Drawing, rows_sorted_by

Model = dict[str, Any]

DATA_SOURCE: Final[Mapping[str, str]] = {"type": "prometheus", "uid": "${datasource}"}
NO_EXPORTER: Final = "No exporter answers"
NOT_TOLD: Final = "AWS does not tell"
EMPTY_CELL: Final = "-"
"""What a panel says where it has nothing to show, and a table in each cell that is empty."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and how its series are called: a text with `{{label}}`; empty leaves that to Grafana."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold: the colour from a value on, or below all others where it is None."""

    value: float | None
    color: str


NEUTRAL = (Step(None, "text"),)
GOOD_AT_ZERO = (Step(None, "green"), Step(1, "red"))
GOOD_AT_ONE = (Step(None, "red"), Step(1, "green"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; ``width`` is in 24ths of the page. ``overrides`` change the defaults for some series or columns."""

    title: str
    description: str
    drawing: Drawing
    queries: tuple[Query, ...]
    unit: str
    width: int
    no_value: str = NO_EXPORTER
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    steps: tuple[Step, ...] = NEUTRAL
    mappings: tuple[Model, ...] = ()
    overrides: tuple[Model, ...] = ()
    transformations: tuple[Model, ...] = ()

    def model(self, id: int, place: Mapping[str, int]) -> Model:
        """Return the panel as JSON, with its number and its place on the grid."""
        return {
            "id": id,
            "type": self.drawing.type,
            "title": self.title,
            "description": self.description,
            "datasource": dict(DATA_SOURCE),
            "gridPos": dict(place),
            "targets": [self._target(_reference(number), query) for number, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": list(self.overrides)},
            "options": dict(self.drawing.options),
            "transformations": list(self.transformations),
        }

    def _target(self, reference: str, query: Query) -> Model:
        return {
            "refId": reference,
            "datasource": dict(DATA_SOURCE),
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "format": self.drawing.format,
            "instant": self.drawing.instant,
            "range": not self.drawing.instant,
        }

    def _defaults(self) -> Model:
        limits = {"decimals": self.decimals, "min": self.least, "max": self.most}
        return {
            "unit": self.unit,
            **{name: limit for name, limit in limits.items() if limit is not None},
            "noValue": self.no_value,
            "color": dict(self.drawing.color),
            "mappings": list(self.mappings),
            "thresholds": thresholds(self.steps),
            "custom": dict(self.drawing.custom),
        }


def _reference(number: int) -> str:
    """Return how a panel refers to one of its queries: A to Z, AA to ZZ."""
    return ascii_uppercase[number % len(ascii_uppercase)] * (number // len(ascii_uppercase) + 1)


def figure(
    title: str,
    description: str,
    expr: str,
    unit: str = "short",
    *,
    width: int = 4,
    steps: tuple[Step, ...] = NEUTRAL,
    decimals: int | None = None,
    no_value: str = NO_EXPORTER,
    mappings: tuple[Model, ...] = (),
) -> Panel:
    """Return one figure: what a query gives at the end of the time range."""
    return Panel(
        title=title,
        description=description,
        drawing=FIGURE,
        queries=(Query(expr),),
        unit=unit,
        width=width,
        steps=steps,
        decimals=decimals,
        no_value=no_value,
        mappings=mappings,
    )


IN_COLOR: Final[Mapping[str, Any]] = {"custom.cellOptions": {"type": "color-text"}}
ON_COLOR: Final[Mapping[str, Any]] = {"custom.cellOptions": {"type": "color-background", "mode": "basic"}}
"""A column's text, or what is behind it, in the colour of its value."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the field that it shows, and in which properties it differs, by Grafana's names of them."""

    source: str
    title: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    def override(self) -> Model:
        """Return the column as an override of the table."""
        properties = {"displayName": self.title, **self.properties}
        return {
            "matcher": {"id": "byName", "options": self.source},
            "properties": [{"id": id, "value": value} for id, value in properties.items()],
        }


def table(
    title: str,
    description: str,
    queries: Sequence[str],
    columns: Sequence[Column],
    *,
    first: str = "",
    more: str = "",
    width: int = 24,
) -> Panel:
    """Return a table that joins the rows of its queries on the labels that they share, the largest ``first`` on top.

    It shows these columns, and those whose field's name matches ``more``, a regular expression.
    """
    return Panel(
        title=title,
        description=description,
        drawing=rows_sorted_by(first),
        queries=tuple(Query(query) for query in queries),
        unit="short",
        width=width,
        no_value=EMPTY_CELL,
        overrides=tuple(column.override() for column in columns),
        transformations=_joined([column.source for column in columns], more),
    )


def _joined(fields: Sequence[str], more: str) -> tuple[Model, ...]:
    """Join first and leave fields out afterwards: the time of the queries is what a query without rows still shares."""
    shown = {"names": list(fields), **({"pattern": f"/{more}/"} if more else {})}
    order = {field: number for number, field in enumerate(fields)}
    return (
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": shown}},
        {"id": "organize", "options": {"excludeByName": {}, "indexByName": order, "renameByName": {}}},
    )


def words(phases: Mapping[str, tuple[str, str]]) -> tuple[Model, ...]:
    """Return mappings of values to words, each with its colour."""
    options = {
        value: {"index": number, "text": text, "color": color}
        for number, (value, (text, color)) in enumerate(phases.items())
    }
    return ({"type": "value", "options": options},)


UP_OR_DOWN: Final = words({"0": ("down", "red"), "1": ("up", "green")})


def thresholds(steps: Iterable[Step]) -> Model:
    """Return steps as Grafana's thresholds."""
    return {"mode": "absolute", "steps": [{"value": step.value, "color": step.color} for step in steps]}


def colored(colors: Iterable[tuple[str, str]]) -> tuple[Model, ...]:
    """Return overrides with the colour of each series whose name matches the whole of a regular expression."""
    return tuple(
        {
            "matcher": {"id": "byRegexp", "options": f"/^({pattern})$/i"},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for pattern, color in colors
    )
