"""The overview of all bulk operations: what is going, how far it is, and what failed."""

from __future__ import annotations

from typing import Final

from exporter.kinds.phase import Phase
from exporter.monitoring.dashboards import queries, variables
from exporter.monitoring.dashboards.drawings import AREAS, LINES
from exporter.monitoring.dashboards.layout import FLEET, Row, dashboard
from exporter.monitoring.dashboards.panels import GOOD_AT_ZERO, Model, Panel, Query, Step, figure
from exporter.monitoring.dashboards.queries import CHOSEN, counted
from exporter.monitoring.dashboards.statuses import Kinds, statuses
from exporter.monitoring.dashboards.tables import operations, places

NOTHING_GOES_ON: Final = "Nothing goes on"


def fleet_dashboard(kinds: Kinds) -> Model:
    """Return the dashboard."""
    return dashboard(
        FLEET,
        "AWS IoT bulk operations",
        "What runs, how far it is and what failed, in every account and Region. "
        "Completed does not mean success: read the failures.",
        (
            variables.DATA_SOURCES,
            variables.accounts(several=True),
            variables.regions(several=True),
            variables.kinds(several=True),
            variables.windows(),
            variables.stalled(),
        ),
        (
            Row(4, _figures(kinds)),
            Row(13, (operations(kinds),), "Operations"),
            Row(10, (places(kinds), _by_status()), "By account, Region and kind"),
            Row(10, (_progress(kinds), _failures(kinds)), "Over time"),
        ),
        since="now-6h",
    )


def _figures(kinds: Kinds) -> tuple[Panel, ...]:
    going = queries.going(kinds, CHOSEN)
    return (
        figure("Going on", "Operations that AWS may still change.", counted(going), steps=(Step(None, "blue"),)),
        *_troubles(kinds),
        figure(
            "Oldest figures",
            "Of the operations that go on, the one that was read from AWS longest ago: how long ago that was.",
            f"max(time() - {queries.last_read(CHOSEN)} and {going})",
            "s",
            steps=(Step(None, "green"), Step(300, "yellow"), Step(600, "red")),
            no_value=NOTHING_GOES_ON,
        ),
    )


def _troubles(kinds: Kinds) -> tuple[Panel, ...]:
    return (
        _bad(
            "Failed",
            "Operations that ended with a status of failure.",
            queries.in_status(statuses(kinds, Phase.FAILED), CHOSEN),
        ),
        _bad(
            "With failures",
            "Operations of any status in which things, groups or records failed.",
            f"({queries.failures(kinds, CHOSEN)}) > 0",
        ),
        _bad(
            "Stalled",
            "Operations that have begun and are not done, and of which nothing moved for as long as the variable "
            "Stalled after says. A kind without progress has begun when it has counted something.",
            queries.stalled(kinds, CHOSEN),
        ),
        _bad(
            "Cells down",
            "Cells, each one kind in one Region of an account, that an exporter could not read from AWS.",
            queries.down(CHOSEN),
        ),
    )


def _bad(title: str, description: str, rows: str) -> Panel:
    return figure(title, description, counted(rows), steps=GOOD_AT_ZERO)


def _by_status() -> Panel:
    operations = queries.per_operation(f"{queries.STATUS}{{{CHOSEN}}} == 1", "status")
    return Panel(
        title="Operations by status",
        description="How many operations of each kind have each status.",
        drawing=AREAS,
        queries=(Query(f"count by (kind, status) ({operations})", "{{kind}} {{status}}"),),
        unit="short",
        width=10,
        decimals=0,
        least=0,
    )


def _progress(kinds: Kinds) -> Panel:
    progress = queries.per_operation(f"{queries.PROGRESS}{{{CHOSEN}}}")
    return Panel(
        title="Progress of what goes on",
        description="How much of each operation that goes on is done.",
        drawing=LINES,
        queries=(Query(f"{progress} and {queries.going(kinds, CHOSEN)}", "{{kind}} {{id}}"),),
        unit="percentunit",
        width=12,
        no_value=NOTHING_GOES_ON,
        least=0,
        most=1,
    )


def _failures(kinds: Kinds) -> Panel:
    failures = f"sum by (aws_account_id, aws_region, kind) ({queries.failures(kinds, CHOSEN)})"
    return Panel(
        title="Failures",
        description="How many items failed in the operations that AWS still lists, whatever their kind calls them.",
        drawing=LINES,
        queries=(Query(failures, "{{aws_account_id}} {{aws_region}} {{kind}}"),),
        unit="short",
        width=12,
        no_value="Nothing counts failures",
        decimals=0,
        least=0,
    )
