"""The panels of the exporter's cells: whether and why they cannot be read, how old they are, what they hold."""

from __future__ import annotations

from typing import Final

from exporter.monitoring.dashboards.drawings import AREAS, BARS, LINES
from exporter.monitoring.dashboards.panels import (
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    IN_COLOR,
    UP_OR_DOWN,
    Column,
    Panel,
    Query,
    Step,
    figure,
    table,
    thresholds,
)
from exporter.monitoring.dashboards.queries import CHOSEN, INSTANCE, counted, down, own, per_cell

CELLS: Final = f"{CHOSEN}, {INSTANCE}"
CELL_NAME: Final = "{{account}} {{aws_region}} {{kind}}"
LAST_SUCCESS: Final = own("last_success_timestamp_seconds", CELLS)
REFRESH: Final = per_cell("max", own("refresh_duration_seconds", CELLS))
OPERATIONS: Final = per_cell("max", own("operations", CELLS))
OMITTED: Final = per_cell("max", own("operations_omitted", CELLS))
REASONS: Final = per_cell("max", f"{own('cell_error', CELLS)} == 1", "reason")
SOON_OLD: Final = (Step(None, "green"), Step(300, "yellow"), Step(600, "red"))


def trouble() -> tuple[Panel, ...]:
    """Return figures of cells that cannot be read."""
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
            f"max(time() - ({per_cell('max', LAST_SUCCESS)} > 0))",
            "s",
            steps=SOON_OLD,
            no_value="No cell was read yet",
        ),
    )


def contents() -> tuple[Panel, ...]:
    """Return figures of what the cells hold."""
    return (
        figure("Operations", "Operations that have rows.", f"sum({OPERATIONS})", decimals=0),
        figure(
            "Left out",
            "Operations that were found and left out because of max_operations.",
            f"sum({OMITTED})",
            steps=(Step(None, "green"), Step(1, "yellow")),
            decimals=0,
        ),
    )


def each_cell() -> Panel:
    """Return a table with a row for each cell, or for each of its reasons."""
    oldest = f"time() - ({per_cell('min', LAST_SUCCESS)} > 0)"
    return table(
        "Cells",
        "Every cell: whether the last refresh read everything from AWS and why not, how long ago one last did, how "
        "long the last took, and how many operations have rows or were left out. Of several exporters, the worst.",
        (REASONS, per_cell("min", own("up", CELLS)), oldest, REFRESH, OPERATIONS, OMITTED),
        (
            Column("account", "Name"),
            Column("aws_account_id", "Account"),
            Column("aws_region", "Region"),
            Column("kind", "Kind"),
            Column("Value #B", "Up", {"mappings": list(UP_OR_DOWN), **IN_COLOR}),
            Column("reason", "Reason"),
            Column("Value #C", "Last success", {"unit": "s", **IN_COLOR, "thresholds": thresholds(SOON_OLD)}),
            Column("Value #D", "Last refresh took", {"unit": "s"}),
            Column("Value #E", "Operations", {"decimals": 0}),
            Column("Value #F", "Left out", {"decimals": 0}),
        ),
        first="Last success",
    )


def cells_over_time() -> Panel:
    """Return a bar for each cell."""
    return Panel(
        title="Cells over time",
        description="When every exporter could read a cell from AWS, and when not.",
        drawing=BARS,
        queries=(Query(per_cell("min", own("up", CELLS)), CELL_NAME),),
        unit="none",
        width=24,
        mappings=UP_OR_DOWN,
        steps=GOOD_AT_ONE,
    )


def reasons() -> Panel:
    """Return how many cells were down by reason."""
    return Panel(
        title="Cells down by reason",
        description="How many cells could not read everything, by the reason.",
        drawing=AREAS,
        queries=(Query(f"count by (reason) ({REASONS})", "{{reason}}"),),
        unit="short",
        width=8,
        no_value="None",
        decimals=0,
        least=0,
    )


def refreshes() -> Panel:
    """Return how long the refreshes of each cell took."""
    return Panel(
        title="Duration of a refresh",
        description="How long the last refresh of each cell took. Above the scrape's time-out, a scrape gets older "
        "figures.",
        drawing=LINES,
        queries=(Query(REFRESH, CELL_NAME),),
        unit="s",
        width=8,
        least=0,
    )


def operations() -> Panel:
    """Return how many operations there were of each kind."""
    return Panel(
        title="Operations by kind",
        description="Operations that have rows.",
        drawing=AREAS,
        queries=(Query(f"sum by (kind) ({OPERATIONS})", "{{kind}}"),),
        unit="short",
        width=8,
        decimals=0,
        least=0,
    )
