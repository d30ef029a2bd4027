"""The overview of all bulk operations: what is going, how far it is, and what failed."""

from __future__ import annotations

from typing import Final

from exporter.monitoring.dashboards import queries, variables
from exporter.monitoring.dashboards.drawings import AREAS, LINES
from exporter.monitoring.dashboards.layout import FLEET, OPERATION, Row, dashboard
from exporter.monitoring.dashboards.panels import (
    GOOD_AT_ZERO,
    IN_COLOR,
    ON_COLOR,
    Column,
    Model,
    Panel,
    Query,
    Step,
    figure,
    table,
    thresholds,
    words,
)
from exporter.monitoring.dashboards.queries import CHOSEN, counted
from exporter.monitoring.dashboards.statuses import COLORS, Group, Kinds, groups, statuses

FAILURES: Final = {"thresholds": thresholds(GOOD_AT_ZERO), "decimals": 0, "unit": "short", **IN_COLOR}
PLACE: Final = (
    Column("aws_account_id", "Account", {"custom.width": 130}),
    Column("aws_region", "Region", {"custom.width": 120}),
    Column("kind", "Kind", {"custom.width": 210}),
)
PLACE_AND_KIND = "aws_account_id, aws_region, kind"


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
            Row(13, (_operations(kinds),), "Operations"),
            Row(10, (_by_place(kinds), _by_status()), "By account, Region and kind"),
            Row(10, _over_time(kinds), "Over time"),
        ),
        since="now-6h",
    )


def _figures(kinds: Kinds) -> tuple[Panel, ...]:
    failed = queries.in_status(statuses(kinds, Group.FAILED), CHOSEN)
    going = queries.going(kinds, CHOSEN)
    return (
        figure("Going on", "Operations that AWS may still change.", counted(going), steps=(Step(None, "blue"),)),
        _bad("Failed", "Operations that ended with a status of failure.", failed),
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
        figure(
            "Oldest figures",
            "Of the operations that go on, the one that was read from AWS longest ago: how long ago that was.",
            f"max(time() - {queries.last_read(CHOSEN)} and {going})",
            "s",
            steps=(Step(None, "green"), Step(300, "yellow"), Step(600, "red")),
            no_value="Nothing goes on",
        ),
    )


def _bad(title: str, description: str, rows: str) -> Panel:
    return figure(title, description, counted(rows), steps=GOOD_AT_ZERO)


def _operations(kinds: Kinds) -> Panel:
    return table(
        "Operations",
        "Every operation with its status, how much of it is done, how many of its items failed, and when it ends if it "
        "goes on as in the last window. A click on an id shows the operation.",
        (
            queries.per_operation(f"{queries.STATUS}{{{CHOSEN}}} == 1", "status"),
            queries.per_operation(f"{queries.PROGRESS}{{{CHOSEN}}}"),
            queries.failures(kinds, CHOSEN),
            queries.estimated_end(kinds, CHOSEN),
            queries.stalled(kinds, CHOSEN),
            queries.moment(queries.CREATED, CHOSEN),
            queries.per_operation(f"{queries.INFO}{{{CHOSEN}}}", "name", "target", "input"),
        ),
        (
            *PLACE,
            Column("id", "Operation", {"custom.width": 310, "links": [_link()]}),
            Column("status", "Status", {"mappings": _colors(kinds), "custom.width": 130, **ON_COLOR}),
            Column("Value #B", "Progress", _bar()),
            Column("Value #C", "Failures", {"custom.width": 100, **FAILURES}),
            Column("Value #D", "Estimated end", {"unit": "dateTimeFromNow", "custom.width": 130}),
            Column(
                "Value #E",
                "Stalled",
                {"mappings": list(words({"1": ("stalled", "red")})), "custom.width": 90, **IN_COLOR},
            ),
            Column("Value #F", "Created", {"unit": "dateTimeAsIso", "custom.width": 170}),
            Column("name", "Name"),
            Column("target", "Target"),
            Column("input", "Input"),
        ),
        first="Created",
    )


def _link() -> Model:
    """Return the link from an operation's row to its dashboard, the row's own values chosen there."""
    chosen = {"account": "aws_account_id", "region": "aws_region", "kind": "kind", "id": "id"}
    values = "".join(f"&var-{name}=${{__data.fields.{field}:percentencode}}" for name, field in chosen.items())
    return {
        "title": "Show this operation",
        "url": f"/d/{OPERATION}?${{datasource:queryparam}}&${{__url_time_range}}{values}",
        "targetBlank": False,
    }


def _colors(kinds: Kinds) -> list[Model]:
    return list(words({status: (status, COLORS[group]) for status, group in groups(kinds).items()}))


def _bar() -> Model:
    return {
        "unit": "percentunit",
        "min": 0,
        "max": 1,
        "decimals": 0,
        "color": {"mode": "fixed", "fixedColor": "blue"},
        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        "custom.width": 160,
    }


def _by_place(kinds: Kinds) -> Panel:
    def number(rows: str) -> str:
        return f"count by ({PLACE_AND_KIND}) ({rows})"

    return table(
        "Operations and failures",
        "How many operations there are, how many of them go on, ended with a status of failure or have failures, and "
        "how many of their items failed.",
        (
            number(queries.per_operation(f"{queries.READ}{{{CHOSEN}}}")),
            number(queries.going(kinds, CHOSEN)),
            number(queries.in_status(statuses(kinds, Group.FAILED), CHOSEN)),
            number(f"({queries.failures(kinds, CHOSEN)}) > 0"),
            f"sum by ({PLACE_AND_KIND}) ({queries.failures(kinds, CHOSEN)})",
        ),
        (
            *PLACE,
            Column("Value #A", "Operations", {"decimals": 0}),
            Column("Value #B", "Going on", {"decimals": 0}),
            Column("Value #C", "Failed", FAILURES),
            Column("Value #D", "With failures", FAILURES),
            Column("Value #E", "Failures", FAILURES),
        ),
        first="Failures",
        width=14,
    )


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


def _over_time(kinds: Kinds) -> tuple[Panel, ...]:
    place = "{{aws_account_id}} {{aws_region}} {{kind}}"
    progress = queries.per_operation(f"{queries.PROGRESS}{{{CHOSEN}}}")
    return (
        Panel(
            title="Progress of what goes on",
            description="How much of each operation that goes on is done.",
            drawing=LINES,
            queries=(Query(f"{progress} and {queries.going(kinds, CHOSEN)}", "{{kind}} {{id}}"),),
            unit="percentunit",
            width=12,
            no_value="Nothing goes on",
            least=0,
            most=1,
        ),
        Panel(
            title="Failures",
            description="How many items failed in the operations that AWS still lists, whatever their kind calls them.",
            drawing=LINES,
            queries=(Query(f"sum by ({PLACE_AND_KIND}) ({queries.failures(kinds, CHOSEN)})", place),),
            unit="short",
            width=12,
            no_value="No kind counts failures",
            decimals=0,
            least=0,
        ),
    )
