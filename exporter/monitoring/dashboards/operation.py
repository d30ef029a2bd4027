"""The dashboard of one bulk operation: its status, counts, speed, estimated end and details."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from exporter.kinds.metric import Metric
from exporter.monitoring.dashboards import queries, variables
from exporter.monitoring.dashboards.layout import OPERATION, Row, dashboard
from exporter.monitoring.dashboards.panels import (
    DATA_SOURCE,
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    NOT_REPORTED,
    PHASE_COLORS,
    UP_OR_DOWN,
    Column,
    Model,
    Panel,
    Query,
    alert_list,
    lines,
    name_stat,
    series_colors,
    stat,
    state_bars,
    table,
)
from exporter.monitoring.dashboards.queries import CHOSEN_CELL, CHOSEN_OPERATION, CHOSEN_PLACE, MILLISECONDS
from exporter.monitoring.promql import (
    ABORTED,
    COMPLETED,
    CREATED,
    INFO,
    LAST_READ,
    PROGRESS,
    SCHEDULED_START,
    STATUS,
    UP,
    UPDATED,
    Kinds,
    kind_metrics,
    per_operation,
    selector,
)
from exporter.monitoring.settings import UNCHANGED, Settings

CURRENT_STATUS: Final = per_operation(f"{selector(STATUS, CHOSEN_OPERATION)} == 1", "status")
CURRENT_PROGRESS: Final = per_operation(selector(PROGRESS, CHOSEN_OPERATION))
NO_OPERATION: Final = "No such operation"
_timestamp = partial(stat, unit="dateTimeFromNow")
# Regular expressions of the names of counts, with the colours of their series.
COUNT_COLORS: Final = (
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
    """A unit of Grafana, the title of a panel with this unit, and the conversion that a query needs for it."""

    id: str
    title: str
    conversion: str = ""


# Units by the suffix of a metric's name. A name without such a suffix is a count.
UNITS: Final[Mapping[str, Unit]] = {
    "_timestamp_seconds": Unit("dateTimeAsIso", "Timestamps", f" * {MILLISECONDS}"),
    "_seconds": Unit("s", "Durations"),
    "_bytes": Unit("bytes", "Sizes"),
    "_ratio": Unit("percentunit", "Ratios"),
}
COUNT: Final = Unit("short", "Counts")
# Prometheus stores its alerts as this metric, which has the labels of the operation but not those of the exporter.
FIRING_ALERTS: Final[Model] = {
    "name": "Firing alerts",
    "datasource": dict(DATA_SOURCE),
    "enable": True,
    "hide": False,
    "iconColor": "red",
    "expr": selector("ALERTS", 'alertstate="firing"', CHOSEN_OPERATION),
    "step": "60s",
    "titleFormat": "{{alertname}}",
    "textFormat": "{{severity}}",
    "tagKeys": "severity",
}


def operation_dashboard(kinds: Kinds, settings: Settings = UNCHANGED) -> str:
    """Return the dashboard as a JSON file for Grafana."""
    recorded = queries.Recorded(kinds, settings, CHOSEN_PLACE, CHOSEN_OPERATION)
    return dashboard(
        OPERATION,
        "AWS IoT bulk operation",
        "One bulk operation: its status, counts, speed, estimated end and errors. "
        "The status Completed does not mean that all items succeeded: check the failures.",
        (*variables.cells(multiple=False), variables.operations(), variables.windows()),
        (
            Row(3, _stats(kinds, recorded)),
            Row(3, _times(kinds)),
            Row(5, (_details(), _alerts())),
            Row(9, (_progress(), *_counts(kinds)), "Counts"),
            Row(9, (_progress_rate(), _count_rates(kinds)), "Speed"),
            Row(7, (_history(kinds),), "Status"),
        ),
        since="now-24h",
        selection=settings.selection,
        annotations=(FIRING_ALERTS,),
    )


def _stats(kinds: Kinds, recorded: queries.Recorded) -> tuple[Panel, ...]:
    return (
        name_stat(
            "Status",
            "The status in AWS's spelling. Unknown means that this release does not know the status.",
            (Query(CURRENT_STATUS, "{{status}}"),),
            width=6,
            no_value=NO_OPERATION,
            overrides=_status_colors(kinds),
        ),
        stat(
            "Progress",
            "The progress of the operation. AWS reports it, or the exporter computes it from the things of the job.",
            CURRENT_PROGRESS,
            "percentunit",
            width=4,
            decimals=0,
            no_value=NOT_REPORTED,
        ),
        stat(
            "Failures",
            "The number of things, groups or records of the operation that failed. The status does not show them.",
            queries.failures(kinds, CHOSEN_OPERATION),
            width=4,
            steps=GOOD_AT_ZERO,
            no_value=NOT_REPORTED,
        ),
        name_stat(
            "Special",
            "Stalled: none of the counts has changed for the time of the kind, as in the alert. "
            "Continuous: the operation has no end, and includes things that join its target later. "
            "Aborted: AWS cancelled the operation, because its failures met its own abort criteria.",
            (
                Query(recorded.stalled(), "stalled"),
                Query(queries.continuous(CHOSEN_OPERATION), "continuous"),
                Query(per_operation(selector(ABORTED, CHOSEN_OPERATION)), "aborted"),
            ),
            width=5,
            no_value="None",
            overrides=series_colors((("stalled", "red"), ("continuous", "blue"), ("aborted", "red"))),
        ),
        stat(
            "Cell",
            "Up if every exporter can read this kind of operation in this Region of the account from AWS.",
            f"min({selector(UP, CHOSEN_CELL)})",
            "none",
            width=5,
            steps=GOOD_AT_ONE,
            mappings=UP_OR_DOWN,
        ),
    )


def _times(kinds: Kinds) -> tuple[Panel, ...]:
    return (
        _timestamp(
            "Created",
            "The time at which the operation was created.",
            queries.in_milliseconds(CREATED, CHOSEN_OPERATION),
            no_value=NOT_REPORTED,
        ),
        _timestamp(
            "Scheduled start",
            "The time at which the schedule of a job starts it. The value ends when the job can no longer change.",
            queries.in_milliseconds(SCHEDULED_START, CHOSEN_OPERATION),
            no_value="None",
        ),
        _timestamp(
            "Estimated end",
            "The estimated end, if the operation continues at its recent speed (variable Speed window).",
            queries.estimated_end(kinds, CHOSEN_OPERATION),
            no_value="No progress",
        ),
        _timestamp(
            "Last change",
            "The time of AWS's last change of the operation.",
            queries.in_milliseconds(UPDATED, CHOSEN_OPERATION),
            no_value=NOT_REPORTED,
        ),
        _timestamp(
            "Ended",
            "The time at which the operation ended. AWS reports it for jobs and Greengrass V2 deployments.",
            queries.in_milliseconds(COMPLETED, CHOSEN_OPERATION),
            no_value=NOT_REPORTED,
        ),
        _timestamp(
            "Last read",
            "The time at which the exporter last read the operation from AWS. "
            "The exporter does not read an operation again when it can no longer change.",
            queries.in_milliseconds(LAST_READ, CHOSEN_OPERATION),
            no_value="Final",
        ),
    )


def _details() -> Panel:
    return table(
        "Details",
        "The name, target, input and reason code of the operation, and the tags that are labels.",
        (f"topk(1, {selector(INFO, CHOSEN_OPERATION)})",),
        (
            Column("id", "Operation"),
            Column("kind", "Kind"),
            Column("name", "Name"),
            Column("target", "Target"),
            Column("input", "Input"),
            Column("reason_code", "Reason code"),
        ),
        more_fields="^tag_",
        width=16,
    )


def _alerts() -> Panel:
    return alert_list(
        "Alerts",
        "The firing and pending alerts on this operation, from the rules of Grafana and of its data sources.",
        f"{{{CHOSEN_OPERATION}}}",
    )


def _history(kinds: Kinds) -> Panel:
    return state_bars(
        "Status over time",
        "The status of the operation over time.",
        (Query(CURRENT_STATUS, "{{status}}"),),
        no_value=NO_OPERATION,
        overrides=_status_colors(kinds),
    )


def _status_colors(kinds: Kinds) -> tuple[Model, ...]:
    return series_colors((status, PHASE_COLORS[phase]) for status, phase in queries.phases(kinds).items())


def _progress() -> Panel:
    return lines(
        "Progress over time",
        "The progress of the operation, from 0 to 100 %.",
        (Query(CURRENT_PROGRESS, "progress"),),
        "percentunit",
        no_value=NOT_REPORTED,
        min=0,
        max=1,
        width=12,
        overrides=series_colors((("progress", "blue"),)),
    )


def _progress_rate() -> Panel:
    return lines(
        "Progress per minute",
        "The increase of the progress per minute, in the variable Speed window.",
        (Query(f"{queries.progress_rate(CHOSEN_OPERATION)} * 60", "progress"),),
        "percentunit",
        no_value=NOT_REPORTED,
    )


def _counts(kinds: Kinds) -> Iterator[Panel]:
    """Yield a panel for each unit and set of labels of the kinds' metrics."""
    for (labels, unit), metrics in _by_labels_and_unit(kind_metrics(kinds)).items():
        yield lines(
            _title(labels, unit, metrics),
            " ".join(metric.help for metric in metrics),
            tuple(
                _query(metric, selector(metric.name, CHOSEN_OPERATION), unit.conversion, kinds) for metric in metrics
            ),
            unit=unit.id,
            no_value="This kind does not report it",
            width=12,
            overrides=series_colors(COUNT_COLORS),
        )


def _count_rates(kinds: Kinds) -> Panel:
    rates = (
        _query(metric, f"deriv({selector(metric.name, CHOSEN_OPERATION)}[$window])", " * 60", kinds)
        for metric in kind_metrics(kinds)
        if _unit_of(metric.name) == COUNT and not metric.constant
    )
    return lines(
        "Counts per minute",
        "The change of each count per minute, in the variable Speed window. "
        "The value is negative while a count decreases.",
        tuple(rates),
        "cpm",
        no_value=NOT_REPORTED,
        overrides=series_colors(COUNT_COLORS),
    )


def _query(metric: Metric[Any], series: str, conversion: str, kinds: Kinds) -> Query:
    return Query(per_operation(series, *metric.labels) + conversion, _legend(metric, kinds))


def _by_labels_and_unit(metrics: Iterable[Metric[Any]]) -> Mapping[tuple[tuple[str, ...], Unit], Sequence[Metric[Any]]]:
    groups: dict[tuple[tuple[str, ...], Unit], list[Metric[Any]]] = {}
    for metric in metrics:
        groups.setdefault((metric.labels, _unit_of(metric.name)), []).append(metric)
    return groups


def _title(labels: Sequence[str], unit: Unit, metrics: Iterable[Metric[Any]]) -> str:
    if not labels:
        return unit.title
    counted = sorted({metric.name.rpartition("_")[2] for metric in metrics})
    return f"{' and '.join(counted).capitalize()} by {' and '.join(labels)}"


def _unit_of(name: str) -> Unit:
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), COUNT)


def _legend(metric: Metric[Any], kinds: Kinds) -> str:
    """Return the values of the labels, or the metric's name without its kind: ``failed things``."""
    if metric.labels:
        return " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    suffixes = (metric.name.partition(f"{kind.name}_")[2] for kind in kinds)
    return next((suffix for suffix in suffixes if suffix), metric.name).replace("_", " ")
