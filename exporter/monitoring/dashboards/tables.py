"""The tables of the overview: a row for each operation, and a row for each kind in a Region of an account."""

from __future__ import annotations

from typing import Final

from exporter.kinds.phase import Phase
from exporter.monitoring.dashboards import queries
from exporter.monitoring.dashboards.layout import OPERATION
from exporter.monitoring.dashboards.panels import (
    GOOD_AT_ZERO,
    IN_COLOR,
    ON_COLOR,
    Column,
    Model,
    Panel,
    table,
    thresholds,
    words,
)
from exporter.monitoring.dashboards.queries import CHOSEN
from exporter.monitoring.dashboards.statuses import COLORS, Kinds, phases, statuses

FAILURES: Final = {"thresholds": thresholds(GOOD_AT_ZERO), "decimals": 0, **IN_COLOR}
STALLED: Final = {"mappings": list(words({"1": ("stalled", "red")})), "custom.width": 90, **IN_COLOR}
DONE: Final = {
    "unit": "percentunit",
    "min": 0,
    "max": 1,
    "decimals": 0,
    "color": {"mode": "fixed", "fixedColor": "blue"},
    "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
    "custom.width": 160,
}
"""A bar."""
PLACE: Final = (
    Column("aws_account_id", "Account", {"custom.width": 130}),
    Column("aws_region", "Region", {"custom.width": 120}),
    Column("kind", "Kind", {"custom.width": 210}),
)
BY_PLACE: Final = f"by ({', '.join(column.source for column in PLACE)})"


def operations(kinds: Kinds) -> Panel:
    """Return the table of operations; a click on one leads to its dashboard."""
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
        _columns(kinds),
        first="Created",
    )


def _columns(kinds: Kinds) -> tuple[Column, ...]:
    colors = words({status: (status, COLORS[one]) for status, one in phases(kinds).items()})
    return (
        *PLACE,
        Column("id", "Operation", {"custom.width": 310, "links": [_link()]}),
        Column("status", "Status", {"mappings": list(colors), "custom.width": 130, **ON_COLOR}),
        Column("Value #B", "Progress", DONE),
        Column("Value #C", "Failures", {"custom.width": 100, **FAILURES}),
        Column("Value #D", "Estimated end", {"unit": "dateTimeFromNow", "custom.width": 130}),
        Column("Value #E", "Stalled", STALLED),
        Column("Value #F", "Created", {"unit": "dateTimeAsIso", "custom.width": 170}),
        Column("name", "Name"),
        Column("target", "Target"),
        Column("input", "Input"),
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


def places(kinds: Kinds) -> Panel:
    """Return the table of how many operations there are where, and how they are."""
    failures = queries.failures(kinds, CHOSEN)
    return table(
        "Operations and failures",
        "How many operations there are, how many of them go on, ended with a status of failure or have failures, and "
        "how many of their items failed.",
        (
            f"count {BY_PLACE} ({queries.last_read(CHOSEN)})",
            f"count {BY_PLACE} ({queries.going(kinds, CHOSEN)})",
            f"count {BY_PLACE} ({queries.in_status(statuses(kinds, Phase.FAILED), CHOSEN)})",
            f"count {BY_PLACE} (({failures}) > 0)",
            f"sum {BY_PLACE} ({failures})",
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
