"""The dashboard of all bulk operations: which ones are active, their progress, and their failures."""

from collections.abc import Sequence
from typing import Final

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
from exporter.monitoring.promql import (
    COMPLETED,
    CREATED,
    INFO,
    LAST_READ,
    PROGRESS,
    SAME_OPERATION,
    STATUS,
    UPDATED,
    Kinds,
    by,
    failed_items_by,
    per_operation,
    selector,
)
from exporter.monitoring.settings import UNCHANGED, Settings

NO_ACTIVE_OPERATION: Final = "No active operation"
FAILURE_COLORS: Final = {"thresholds": thresholds(GOOD_AT_ZERO), "decimals": 0, **COLORED_TEXT}
FAILURES: Final = Column("Value #C", "Failures", {"custom.width": 100, **FAILURE_COLORS})
DATE: Final = {"unit": "dateTimeAsIso", "custom.width": 170}
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
CURRENT_STATUS: Final = per_operation(f"{selector(STATUS, CHOSEN)} == 1", "status")


def fleet_dashboard(kinds: Kinds, settings: Settings = UNCHANGED) -> str:
    """Return the dashboard as a JSON file for Grafana."""
    recorded = queries.Recorded(kinds, settings)
    operation = _operation_column(settings.grouping)
    return dashboard(
        FLEET,
        "AWS IoT bulk operations",
        "Active, failed and stalled bulk operations in all accounts and Regions, with their progress. "
        "The status Completed does not mean that all items succeeded: check the failures.",
        (*variables.cells(multiple=True), variables.windows()),
        (
            Row(4, _stats(kinds, recorded)),
            Row(13, (_operations(kinds, recorded, operation),), "Operations"),
            Row(9, (_finished(kinds, recorded, operation),)),
            Row(10, (_places(kinds, recorded), _by_status()), "By account, Region and kind"),
            Row(10, _over_time(kinds), "Over time"),
        ),
        # By default, the alerts on ended operations fire for as long.
        since="now-24h",
        selection=settings.selection,
    )


def _stats(kinds: Kinds, recorded: queries.Recorded) -> tuple[Panel, ...]:
    active = queries.active(kinds, CHOSEN)
    return (
        stat(
            "Active",
            "Operations that AWS may still change: scheduled, running, and being cancelled or stopped.",
            queries.number_of(active),
            steps=((None, "blue"),),
        ),
        _problem_count(
            "Failed",
            "Operations with a failed status that ended in the time range of the dashboard.",
            recorded.failed(),
        ),
        _problem_count(
            "With failures",
            "Operations in which at least one thing, group or record failed, if they are active or ended in the time "
            "range of the dashboard. A continuous operation counts if something failed in the time range. The status "
            "may be Completed.",
            recorded.recent_failures(),
        ),
        _problem_count(
            "Stalled",
            "Running operations that have items left, and none of whose counts has changed for the time of their kind. "
            "The alert AwsIotBulkOperationStalled and the status page have the same definition.",
            recorded.stalled(),
        ),
        _problem_count(
            "Cells down",
            "Cells that an exporter cannot read from AWS. A cell is one kind of operation in one Region of an account. "
            "An account without credentials counts once if its cells have no series.",
            queries.cells_down(CHOSEN, queries.CHOSEN_ACCOUNT),
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


def _operations(kinds: Kinds, recorded: queries.Recorded, operation: Column) -> Panel:
    return table(
        "Operations",
        "All operations with their status, progress and number of failed items. The estimated end assumes that an "
        "operation continues at its recent speed (variable Speed window). Click an id to open its dashboard.",
        (
            CURRENT_STATUS,
            per_operation(selector(PROGRESS, CHOSEN)),
            queries.failures(kinds, CHOSEN),
            queries.estimated_end(kinds, CHOSEN),
            recorded.stalled(),
            queries.in_milliseconds(CREATED, CHOSEN),
            per_operation(selector(INFO, CHOSEN), "name", "target", "input"),
        ),
        (
            *PLACE,
            operation,
            _status_column(kinds),
            Column("Value #B", "Progress", PROGRESS_BAR),
            FAILURES,
            Column("Value #D", "Estimated end", {"unit": "dateTimeFromNow", "custom.width": 130}),
            Column("Value #E", "Stalled", STALLED_TEXT),
            Column("Value #F", "Created", DATE),
            Column("name", "Name"),
            Column("target", "Target"),
            Column("input", "Input"),
        ),
        sort_by="Created",
    )


def _finished(kinds: Kinds, recorded: queries.Recorded, operation: Column) -> Panel:
    ended = f"({queries.in_milliseconds(COMPLETED, CHOSEN)} or {queries.in_milliseconds(UPDATED, CHOSEN)})"
    failures = f"({queries.failures(kinds, CHOSEN)})"
    columns = (CURRENT_STATUS, ended, failures, per_operation(selector(INFO, CHOSEN), "name", "target", "reason_code"))
    return table(
        "Recently finished operations",
        "The operations that ended in the time range of the dashboard, with their status and their number of failed "
        "items. If AWS reports no end, the time is that of the last change. Click an id to open its dashboard.",
        # The table joins all results, so each one is limited to the finished operations.
        [f"{column} and {SAME_OPERATION} ({recorded.finished()})" for column in columns],
        (
            *PLACE,
            operation,
            _status_column(kinds),
            Column("Value #B", "Ended", DATE),
            FAILURES,
            Column("name", "Name"),
            Column("target", "Target"),
            Column("reason_code", "Reason code"),
        ),
        sort_by="Ended",
    )


def _operation_column(grouping: Sequence[str]) -> Column:
    """Return the column of the id, with a link from a row to the dashboard of its operation."""
    kept = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", *map(variables.release_variable, grouping)))
    link = {
        "title": "Show this operation",
        "url": f"/d/{OPERATION}?{kept}&${{__url_time_range}}"
        "&var-account=${__data.fields.aws_account_id:percentencode}"
        "&var-region=${__data.fields.aws_region:percentencode}"
        "&var-kind=${__data.fields.kind:percentencode}&var-id=${__data.fields.id:percentencode}",
        "targetBlank": False,
    }
    return Column("id", "Operation", {"custom.width": 310, "links": [link]})


def _status_column(kinds: Kinds) -> Column:
    statuses = {status: (status, PHASE_COLORS[phase]) for status, phase in queries.phases(kinds).items()}
    properties = {"mappings": list(value_mappings(statuses)), "custom.width": 130, **COLORED_BACKGROUND}
    return Column("status", "Status", properties)


def _places(kinds: Kinds, recorded: queries.Recorded) -> Panel:
    failures = recorded.recent_failures()
    return table(
        "Operations and failures",
        "The number of operations in each account, Region and kind: all, active, with a failed status, and with failed "
        "items. The last column is the number of failed items. Ended operations with failures count only if they ended "
        "in the time range of the dashboard, as in the tiles.",
        (
            f"count {BY_PLACE} ({per_operation(selector(STATUS, CHOSEN))})",
            f"count {BY_PLACE} ({queries.active(kinds, CHOSEN)})",
            f"count {BY_PLACE} ({recorded.failed()})",
            f"count {BY_PLACE} ({failures})",
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
    failures = failed_items_by(kinds, [column.name for column in PLACE], CHOSEN)
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
