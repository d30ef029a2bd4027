"""The panels of the exporter's cells: whether and why they cannot be read, how old they are, what they hold."""

from __future__ import annotations

from typing import Final

from exporter.monitoring.dashboards.drawings import AREAS, BARS, LINES
from exporter.monitoring.dashboards.panels import (
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    IN_COLOR,
    Column,
    Panel,
    Query,
    Step,
    figure,
    table,
    thresholds,
    words,
)
from exporter.monitoring.dashboards.queries import CHOSEN, INSTANCE, counted, down, own, per_cell

CELLS: Final = f"{CHOSEN}, {INSTANCE}"
CELL_NAME: Final = "{{account}} {{aws_region}} {{kind}}"
UP_OR_DOWN: Final = {"0": ("down", "red"), "1": ("up", "green")}
SOON_OLD: Final = (Step(None, "green"), Step(300, "yellow"), Step(600, "red"))


def cell_figures() -> tuple[Panel, ...]:
    succeeded = own("last_success_timestamp_seconds", CELLS)
    return (
        figure(
            "Cells down",
            "Cells, each one kind in one Region of an account, that an exporter could not read from AWS, without those "
            "whose service AWS has switched off.",
            counted(down(CELLS), CELLS),
            steps=GOOD_AT_ZERO,
        ),
        figure(
            "Oldest success",
            "The cell that was last read whole longest ago: how long ago that was.",
            f"max(time() - ({per_cell('max', succeeded)} > 0))",
            "s",
            steps=SOON_OLD,
            no_value="No cell was read yet",
        ),
        figure(
            "Operations",
            "Operations that have rows.",
            f"sum({per_cell('max', own('operations', CELLS))})",
            decimals=0,
        ),
        figure(
            "Left out",
            "Operations that were found and left out because of max_operations.",
            f"sum({per_cell('max', own('operations_omitted', CELLS))})",
            steps=(Step(None, "green"), Step(1, "yellow")),
            decimals=0,
        ),
    )


def cell_table() -> Panel:
    return table(
        "Cells",
        "Every cell: whether the last refresh read everything from AWS and why not, how long ago one last did, how "
        "long the last took, and how many operations have rows or were left out. Of several exporters, the worst.",
        (
            per_cell("max", f"{own('cell_error', CELLS)} == 1", "reason"),
            per_cell("min", own("up", CELLS)),
            f"time() - ({per_cell('min', own('last_success_timestamp_seconds', CELLS))} > 0)",
            per_cell("max", own("refresh_duration_seconds", CELLS)),
            per_cell("max", own("operations", CELLS)),
            per_cell("max", own("operations_omitted", CELLS)),
        ),
        (
            Column("account", "Name"),
            Column("aws_account_id", "Account"),
            Column("aws_region", "Region"),
            Column("kind", "Kind"),
            Column("Value #B", "Up", {"mappings": list(words(UP_OR_DOWN)), **IN_COLOR}),
            Column("reason", "Reason"),
            Column("Value #C", "Last success", {"unit": "s", **IN_COLOR, "thresholds": thresholds(SOON_OLD)}),
            Column("Value #D", "Last refresh took", {"unit": "s"}),
            Column("Value #E", "Operations", {"decimals": 0}),
            Column("Value #F", "Left out", {"decimals": 0}),
        ),
        first="Last success",
    )


def cells_over_time() -> Panel:
    return Panel(
        title="Cells over time",
        description="When every exporter could read a cell from AWS, and when not.",
        drawing=BARS,
        queries=(Query(per_cell("min", own("up", CELLS)), CELL_NAME),),
        unit="none",
        width=24,
        mappings=words(UP_OR_DOWN),
        steps=GOOD_AT_ONE,
    )


def refreshes() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Cells down by reason",
            description="How many cells could not read everything, by the reason.",
            drawing=AREAS,
            queries=(
                Query(f"count by (reason) ({per_cell('max', own('cell_error', CELLS), 'reason')})", "{{reason}}"),
            ),
            unit="short",
            width=8,
            no_value="None",
            decimals=0,
            least=0,
        ),
        Panel(
            title="Duration of a refresh",
            description="How long the last refresh of each cell took. Above the scrape's time-out, a scrape gets "
            "older figures.",
            drawing=LINES,
            queries=(Query(per_cell("max", own("refresh_duration_seconds", CELLS)), CELL_NAME),),
            unit="s",
            width=8,
            least=0,
        ),
        Panel(
            title="Operations by kind",
            description="Operations that have rows.",
            drawing=AREAS,
            queries=(Query(f"sum by (kind) ({per_cell('max', own('operations', CELLS))})", "{{kind}}"),),
            unit="short",
            width=8,
            decimals=0,
            least=0,
        ),
    )
