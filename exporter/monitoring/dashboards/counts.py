"""The panels of what the kinds count. They follow from the metric table: a kind that is added has its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exporter.metric import Metric
from exporter.monitoring.dashboards import queries
from exporter.monitoring.dashboards.drawings import LINES
from exporter.monitoring.dashboards.panels import NOT_TOLD, Panel, Query, colored
from exporter.monitoring.dashboards.queries import ONE, own_metrics
from exporter.monitoring.dashboards.statuses import Kinds

COLORS_BY_WORD: Final = (
    (".*(fail|reject|timed_out|invalid|error).*", "red"),
    (".*succe.*", "green"),
    (".*progress.*", "blue"),
    (".*(cancel|remove|stop).*", "orange"),
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
            queries=tuple(
                Query(queries.per_operation(f"{metric.name}{{{ONE}}}", *labels) + unit.factor, _legend(metric, kinds))
                for metric in metrics
            ),
            unit=unit.id,
            width=12,
            no_value="Nothing of the sort for this kind",
            overrides=colored(COLORS_BY_WORD),
        )


def paces(kinds: Kinds) -> tuple[Panel, ...]:
    per_minute = f"{queries.pace(ONE)} * 60"
    counts = [metric for metric in own_metrics(kinds) if unit_of(metric.name) == COUNT]
    return (
        Panel(
            title="Progress per minute",
            description="The share of the operation that gets done in a minute, over the window.",
            drawing=LINES,
            queries=(Query(per_minute, "progress"),),
            unit="percentunit",
            width=12,
            no_value=NOT_TOLD,
        ),
        Panel(
            title="Counts per minute",
            description="How fast each count changes, over the window; below zero for what gets less.",
            drawing=LINES,
            queries=tuple(
                Query(
                    queries.per_operation(f"deriv({metric.name}{{{ONE}}}[$window])", *metric.labels) + " * 60",
                    _legend(metric, kinds),
                )
                for metric in counts
            ),
            unit="cpm",
            width=12,
            no_value=NOT_TOLD,
            overrides=colored(COLORS_BY_WORD),
        ),
    )


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
