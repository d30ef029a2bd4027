"""The panels of what the kinds count. They follow from the metric table: a kind that is added has its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exporter.kinds.metric import Metric
from exporter.monitoring.dashboards import queries
from exporter.monitoring.dashboards.drawings import LINES
from exporter.monitoring.dashboards.panels import NOT_TOLD, Panel, Query, colored
from exporter.monitoring.dashboards.queries import ONE, own_metrics
from exporter.monitoring.dashboards.statuses import Kinds

COLORS_BY_WORD: Final = (
    (".*(fail|invalid|error).*", "red"),
    (".*reject.*", "dark-red"),
    (".*time.*out.*", "light-red"),
    (".*succe.*", "green"),
    (".*progress.*", "blue"),
    (".*queue.*", "purple"),
    (".*(cancel|stop).*", "orange"),
    (".*remove.*", "light-orange"),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """What the end of a metric's name says of its values: Grafana's unit, and what is put behind a query to get it."""

    id: str
    title: str
    factor: str = ""


UNITS: Final[Mapping[str, Unit]] = {
    "_timestamp_seconds": Unit("dateTimeAsIso", "Moments", f" * {queries.MILLISECONDS}"),
    "_seconds": Unit("s", "Durations"),
    "_bytes": Unit("bytes", "Sizes"),
    "_ratio": Unit("percentunit", "Shares"),
}
COUNT: Final = Unit("short", "Counts")


def counts(kinds: Kinds) -> Iterator[Panel]:
    """Yield a panel for each unit of the kinds' own metrics, and for each label that divides some of them."""
    for (labels, unit), metrics in _alike(own_metrics(kinds)).items():
        yield Panel(
            title=_title(labels, unit, metrics),
            description=" ".join(metric.help for metric in metrics),
            drawing=LINES,
            queries=tuple(_query(metric, f"{metric.name}{{{ONE}}}", unit.factor, kinds) for metric in metrics),
            unit=unit.id,
            width=12,
            no_value="Nothing of the sort for this kind",
            overrides=colored(COLORS_BY_WORD),
        )


def pace_of_counts(kinds: Kinds) -> Panel:
    """Return how fast the counts change, whatever divides them."""
    metrics = [metric for metric in own_metrics(kinds) if unit_of(metric.name) == COUNT]
    return Panel(
        title="Counts per minute",
        description="How fast each count changes, over the window; below zero for what gets less.",
        drawing=LINES,
        queries=tuple(_query(metric, f"deriv({metric.name}{{{ONE}}}[$window])", " * 60", kinds) for metric in metrics),
        unit="cpm",
        width=12,
        no_value=NOT_TOLD,
        overrides=colored(COLORS_BY_WORD),
    )


def _query(metric: Metric[Any], rows: str, factor: str, kinds: Kinds) -> Query:
    return Query(queries.per_operation(rows, *metric.labels) + factor, _legend(metric, kinds))


def _alike(metrics: Iterable[Metric[Any]]) -> Mapping[tuple[tuple[str, ...], Unit], Sequence[Metric[Any]]]:
    found: dict[tuple[tuple[str, ...], Unit], list[Metric[Any]]] = {}
    for metric in metrics:
        found.setdefault((metric.labels, unit_of(metric.name)), []).append(metric)
    return found


def _title(labels: Sequence[str], unit: Unit, metrics: Iterable[Metric[Any]]) -> str:
    if not labels:
        return unit.title
    counted = sorted({metric.name.rpartition("_")[2] for metric in metrics})
    return f"{' and '.join(counted).capitalize()} by {' and '.join(labels)}"


def unit_of(name: str) -> Unit:
    """Return the unit that a metric's name ends with; a name without one is that of a count."""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), COUNT)


def _legend(metric: Metric[Any], kinds: Kinds) -> str:
    """Return the values of the labels, or what the name says behind that of the kind: failed things."""
    if metric.labels:
        return " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    tails = (metric.name.partition(f"{kind.name}_")[2] for kind in kinds)
    return next((tail for tail in tails if tail), metric.name).replace("_", " ")
