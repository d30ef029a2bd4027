"""One bulk operation: its status, its counts, its pace, its end and what is known of it."""

from __future__ import annotations

from typing import Final

from exporter.monitoring.dashboards import queries, variables
from exporter.monitoring.dashboards.counts import counts, pace_of_counts
from exporter.monitoring.dashboards.drawings import BARS, LINES, NAME
from exporter.monitoring.dashboards.layout import OPERATION, Row, dashboard
from exporter.monitoring.dashboards.panels import (
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    NOT_TOLD,
    UP_OR_DOWN,
    Column,
    Model,
    Panel,
    Query,
    colored,
    figure,
    table,
)
from exporter.monitoring.dashboards.queries import ONE
from exporter.monitoring.dashboards.statuses import COLORS, Kinds, phases

STATUS: Final = queries.per_operation(f"{queries.STATUS}{{{ONE}}} == 1", "status")
PROGRESS: Final = queries.per_operation(f"{queries.PROGRESS}{{{ONE}}}")
NO_OPERATION: Final = "No such operation"


def operation_dashboard(kinds: Kinds) -> Model:
    """Return the dashboard."""
    return dashboard(
        OPERATION,
        "AWS IoT bulk operation",
        "One bulk operation: its status, counts, pace, estimated end and errors. "
        "Completed does not mean success: read the failures.",
        (
            variables.DATA_SOURCES,
            variables.accounts(several=False),
            variables.regions(several=False),
            variables.kinds(several=False),
            variables.operations(),
            variables.windows(),
        ),
        (
            Row(3, (_status(kinds), *_figures(kinds), *_moments(), _cell())),
            Row(4, (_facts(),)),
            Row(9, (_progress(), *counts(kinds)), "Counts"),
            Row(9, (_pace(), pace_of_counts(kinds)), "Pace"),
            Row(7, (_history(kinds),), "Status"),
        ),
        since="now-24h",
    )


def _status(kinds: Kinds) -> Panel:
    return Panel(
        title="Status",
        description="The status in AWS's spelling. Unknown stands for one that this release does not know.",
        drawing=NAME,
        queries=(Query(STATUS, "{{status}}"),),
        unit="none",
        width=6,
        no_value=NO_OPERATION,
        overrides=_status_colors(kinds),
    )


def _figures(kinds: Kinds) -> tuple[Panel, ...]:
    return (
        figure(
            "Progress",
            "How much of the operation is done, as AWS reports it or of the things of its job.",
            PROGRESS,
            "percentunit",
            width=6,
            decimals=0,
            no_value=NOT_TOLD,
        ),
        figure(
            "Failures",
            "Things, groups or records of the operation that failed, whatever its status.",
            queries.failures(kinds, ONE),
            width=6,
            steps=GOOD_AT_ZERO,
            no_value=NOT_TOLD,
        ),
        _moment(
            "Estimated end",
            "When the operation ends if it goes on as in the last window.",
            queries.estimated_end(kinds, ONE),
            "Does not move",
        ),
    )


def _moments() -> tuple[Panel, ...]:
    return (
        _moment("Created", "When the operation was created.", queries.moment(queries.CREATED, ONE), NOT_TOLD),
        _moment("Last change", "When AWS last changed the operation.", queries.moment(queries.UPDATED, ONE), NOT_TOLD),
        _moment(
            "Last read",
            "When the exporter last read the operation from AWS. What cannot change any more is not read again.",
            queries.moment(queries.READ, ONE),
            NO_OPERATION,
        ),
    )


def _moment(title: str, description: str, expr: str, no_value: str) -> Panel:
    return figure(title, description, expr, "dateTimeFromNow", width=6, no_value=no_value)


def _cell() -> Panel:
    return figure(
        "Its cell",
        "Whether every exporter can read this kind in this Region of the account from AWS.",
        f"min({queries.UP}{{{queries.CELL_OF_ONE}}})",
        "none",
        width=6,
        steps=GOOD_AT_ONE,
        mappings=UP_OR_DOWN,
    )


def _facts() -> Panel:
    return table(
        "Facts",
        "What is known of the operation besides figures, with the tags that the configuration exposes as labels.",
        (f"topk(1, {queries.INFO}{{{ONE}}})",),
        (
            Column("id", "Operation"),
            Column("kind", "Kind"),
            Column("name", "Name"),
            Column("target", "Target"),
            Column("input", "Input"),
        ),
        more="^tag_",
    )


def _history(kinds: Kinds) -> Panel:
    return Panel(
        title="Status over time",
        description="Which status the operation had when.",
        drawing=BARS,
        queries=(Query(STATUS, "{{status}}"),),
        unit="none",
        width=24,
        no_value=NO_OPERATION,
        overrides=_status_colors(kinds),
    )


def _status_colors(kinds: Kinds) -> tuple[Model, ...]:
    return colored((status, COLORS[one]) for status, one in phases(kinds).items())


def _progress() -> Panel:
    return Panel(
        title="Progress over time",
        description="How much of the operation is done.",
        drawing=LINES,
        queries=(Query(PROGRESS, "progress"),),
        unit="percentunit",
        width=12,
        no_value=NOT_TOLD,
        least=0,
        most=1,
        overrides=colored((("progress", "blue"),)),
    )


def _pace() -> Panel:
    return Panel(
        title="Progress per minute",
        description="The share of the operation that gets done in a minute, over the window.",
        drawing=LINES,
        queries=(Query(f"{queries.pace(ONE)} * 60", "progress"),),
        unit="percentunit",
        width=12,
        no_value=NOT_TOLD,
    )
