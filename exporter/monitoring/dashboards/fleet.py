"""The dashboard of all bulk operations: which ones are active, their progress, and their failures."""

from typing import Final

from exporter.kinds.phase import Phase
from exporter.monitoring.dashboards import queries, variables
from exporter.monitoring.dashboards.layout import FLEET, OPERATION, Row, dashboard
from exporter.monitoring.dashboards.panels import (
    COLORED_BACKGROUND,
    COLORED_TEXT,
    DATA_AGE,
    GOOD_AT_ZERO,
    PHASE_COLORS,
    Column,
    Panel,
    Query,
    lines,
    stacked_areas,
    stat,
    table,
    thresholds,
    value_mappings,
)
from exporter.monitoring.dashboards.queries import CHOSEN
from exporter.monitoring.promql import CREATED, INFO, LAST_READ, PROGRESS, STATUS, Kinds, by, per_operation, selector
from exporter.monitoring.selection import EVERY_EXPORTER, Selection

NO_ACTIVE_OPERATION: Final = "No active operation"
FAILURE_COLORS: Final = {"thresholds": thresholds(GOOD_AT_ZERO), "decimals": 0, **COLORED_TEXT}
STALLED_TEXT: Final = {"mappings": list(value_mappings({"1": ("stalled", "red")})), "custom.width": 90, **COLORED_TEXT}
PROGRESS_BAR: Final = {
    "unit": "percentunit",
    "min": 0,
    "max": 1,
    "decimals": 0,
    "color": {"mode": "fixed", "fixedColor": "blue"},
    "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
    "custom.width": 160,
}
PLACE: Final = (
    Column("aws_account_id", "Account", {"custom.width": 130}),
    Column("aws_region", "Region", {"custom.width": 120}),
    Column("kind", "Kind", {"custom.width": 210}),
)
BY_PLACE: Final = by([column.name for column in PLACE])
# The link from a row to the dashboard of its operation.
LINK_TO_OPERATION: Final = {
    "title": "Show this operation",
    "url": f"/d/{OPERATION}?${{datasource:queryparam}}&${{__url_time_range}}"
    "&var-account=${__data.fields.aws_account_id:percentencode}&var-region=${__data.fields.aws_region:percentencode}"
    "&var-kind=${__data.fields.kind:percentencode}&var-id=${__data.fields.id:percentencode}",
    "targetBlank": False,
}
CURRENT_STATUS: Final = per_operation(f"{selector(STATUS, CHOSEN)} == 1", "status")


def fleet_dashboard(kinds: Kinds, selection: Selection = EVERY_EXPORTER) -> str:
    """Return the dashboard as a JSON file for Grafana."""
    return dashboard(
        FLEET,
        "AWS IoT bulk operations",
        "Active, failed and stalled bulk operations in all accounts and Regions, with their progress. "
        "The status Completed does not mean that all items succeeded: check the failures.",
        (variables.DATA_SOURCES, *variables.cells(multiple=True), variables.windows(), variables.stalled()),
        (
            Row(4, _stats(kinds)),
            Row(13, (_operations(kinds),), "Operations"),
            Row(10, (_places(kinds), _by_status()), "By account, Region and kind"),
            Row(10, _over_time(kinds), "Over time"),
        ),
        since="now-6h",
        selection=selection,
    )


def _stats(kinds: Kinds) -> tuple[Panel, ...]:
    active = queries.active(kinds, CHOSEN)
    return (
        stat(
            "Active",
            "Operations that AWS may still change: scheduled, running, and being cancelled or stopped.",
            queries.number_of(active),
            steps=((None, "blue"),),
        ),
        _problem_count("Failed", "Operations with a failed status.", queries.in_phase(kinds, CHOSEN, Phase.FAILED)),
        _problem_count(
            "With failures",
            "Operations in which at least one thing, group or record failed. Their status may be Completed.",
            f"({queries.failures(kinds, CHOSEN)}) > 0",
        ),
        _problem_count(
            "Stalled",
            "Operations that have started and are not complete, but have not changed for some time (variable Stalled "
            "after). An operation without a progress value has started if one of its counts is above zero.",
            queries.stalled(kinds, CHOSEN),
        ),
        _problem_count(
            "Cells down",
            "Cells that an exporter cannot read from AWS. A cell is one kind of operation in one Region of an account.",
            queries.cells_down(CHOSEN),
        ),
        stat(
            "Oldest data",
            "The time since the exporter last read an active operation from AWS. The panel shows the longest time.",
            f"max(time() - {per_operation(selector(LAST_READ, CHOSEN))} and {active})",
            "s",
            steps=DATA_AGE,
            no_value=NO_ACTIVE_OPERATION,
        ),
    )


def _problem_count(title: str, description: str, series: str) -> Panel:
    return stat(title, description, queries.number_of(series), steps=GOOD_AT_ZERO)


def _operations(kinds: Kinds) -> Panel:
    return table(
        "Operations",
        "All operations with their status, progress and number of failed items. The estimated end assumes that an "
        "operation continues at its recent speed (variable Speed window). Click an id to open its dashboard.",
        (
            CURRENT_STATUS,
            per_operation(selector(PROGRESS, CHOSEN)),
            queries.failures(kinds, CHOSEN),
            queries.estimated_end(kinds, CHOSEN),
            queries.stalled(kinds, CHOSEN),
            queries.in_milliseconds(CREATED, CHOSEN),
            per_operation(selector(INFO, CHOSEN), "name", "target", "input"),
        ),
        _operation_columns(kinds),
        sort_by="Created",
    )


def _operation_columns(kinds: Kinds) -> tuple[Column, ...]:
    statuses = {status: (status, PHASE_COLORS[phase]) for status, phase in queries.phases(kinds).items()}
    return (
        *PLACE,
        Column("id", "Operation", {"custom.width": 310, "links": [LINK_TO_OPERATION]}),
        Column(
            "status", "Status", {"mappings": list(value_mappings(statuses)), "custom.width": 130, **COLORED_BACKGROUND}
        ),
        Column("Value #B", "Progress", PROGRESS_BAR),
        Column("Value #C", "Failures", {"custom.width": 100, **FAILURE_COLORS}),
        Column("Value #D", "Estimated end", {"unit": "dateTimeFromNow", "custom.width": 130}),
        Column("Value #E", "Stalled", STALLED_TEXT),
        Column("Value #F", "Created", {"unit": "dateTimeAsIso", "custom.width": 170}),
        Column("name", "Name"),
        Column("target", "Target"),
        Column("input", "Input"),
    )


def _places(kinds: Kinds) -> Panel:
    failures = queries.failures(kinds, CHOSEN)
    return table(
        "Operations and failures",
        "The number of operations in each account, Region and kind: all, active, with a failed status, and with failed "
        "items. The last column is the number of failed items.",
        (
            f"count {BY_PLACE} ({per_operation(selector(STATUS, CHOSEN))})",
            f"count {BY_PLACE} ({queries.active(kinds, CHOSEN)})",
            f"count {BY_PLACE} ({queries.in_phase(kinds, CHOSEN, Phase.FAILED)})",
            f"count {BY_PLACE} (({failures}) > 0)",
            f"sum {BY_PLACE} ({failures})",
        ),
        (
            *PLACE,
            Column("Value #A", "Operations", {"decimals": 0}),
            Column("Value #B", "Active", {"decimals": 0}),
            Column("Value #C", "Failed", FAILURE_COLORS),
            Column("Value #D", "With failures", FAILURE_COLORS),
            Column("Value #E", "Failures", FAILURE_COLORS),
        ),
        sort_by="Failures",
        width=14,
    )


def _by_status() -> Panel:
    return stacked_areas(
        "Operations by status",
        "The number of operations of each kind in each status.",
        (Query(f"count by (kind, status) ({CURRENT_STATUS})", "{{kind}} {{status}}"),),
        width=10,
        decimals=0,
    )


def _over_time(kinds: Kinds) -> tuple[Panel, ...]:
    progress = f"{per_operation(selector(PROGRESS, CHOSEN))} and {queries.active(kinds, CHOSEN)}"
    failures = f"sum {BY_PLACE} ({queries.failures(kinds, CHOSEN)})"
    return (
        lines(
            "Progress of active operations",
            "The progress of each active operation, from 0 to 100 %.",
            (Query(progress, "{{kind}} {{id}}"),),
            "percentunit",
            no_value=NO_ACTIVE_OPERATION,
            min=0,
            max=1,
        ),
        lines(
            "Failures",
            "The number of failed items in all operations that AWS still lists. Items are things, groups or records.",
            (Query(failures, "{{aws_account_id}} {{aws_region}} {{kind}}"),),
            no_value="No operation reports failures",
            decimals=0,
            min=0,
        ),
    )
