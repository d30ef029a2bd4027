"""PromQL of the dashboards, with their variables. Dashboards need no recording rules."""

from collections.abc import Mapping

from exporter.kinds.phase import Phase, phase
from exporter.metrics.families import UNKNOWN
from exporter.monitoring.promql import (
    CELL_ERROR,
    LAST_READ,
    PROGRESS,
    SAME_OPERATION,
    STATUS,
    UP,
    Kinds,
    changing_metrics,
    item_count,
    matcher,
    per_cell,
    per_operation,
    selector,
    with_zeros,
)

# Matchers for the variables. The fleet and exporter dashboards allow several values, the operation dashboard only one.
CHOSEN = 'aws_account_id=~"$account", aws_region=~"$region", kind=~"$kind"'
CHOSEN_CELL = 'aws_account_id="$account", aws_region="$region", kind="$kind"'
CHOSEN_OPERATION = f'{CHOSEN_CELL}, id="$id"'

STARTED = (Phase.RUNNING, Phase.ENDING, Phase.UNKNOWN)
ACTIVE = (Phase.WAITING, *STARTED)
# Grafana's units for timestamps expect milliseconds.
MILLISECONDS = 1000


def number_of(series: str, chosen: str = CHOSEN) -> str:
    """Return the number of series: 0 if there are none, and no value if no exporter is scraped."""
    return f"count({series}) or 0 * count({selector(UP, chosen)})"


def phases(kinds: Kinds) -> Mapping[str, Phase]:
    """Return every status of the kinds with its phase, in AWS's order."""
    return {status: phase(kind, status) for kind in kinds for status in (*kind.statuses, UNKNOWN)}


def in_phase(kinds: Kinds, chosen: str, *wanted: Phase) -> str:
    """Return the operations that are in one of the phases."""
    statuses = [status for status, phase in phases(kinds).items() if phase in wanted]
    return per_operation(f"{selector(STATUS, chosen, matcher('status', statuses))} == 1")


def active(kinds: Kinds, chosen: str) -> str:
    """Return the operations that AWS may still change."""
    return in_phase(kinds, chosen, *ACTIVE)


def progress_rate(chosen: str) -> str:
    """Return the increase per second of each operation's progress, over the dashboard's window."""
    return per_operation(f"deriv({selector(PROGRESS, chosen)}[$window])")


def estimated_end(kinds: Kinds, chosen: str) -> str:
    """Return the estimated end of each active operation in milliseconds. An operation without progress has none."""
    remaining = f"(1 - {per_operation(selector(PROGRESS, chosen))})"
    return f"(time() + {remaining} / ({progress_rate(chosen)} > 0)) * {MILLISECONDS} and {active(kinds, chosen)}"


def in_milliseconds(metric: str, chosen: str) -> str:
    """Return a timestamp of each operation in milliseconds."""
    return f"{per_operation(selector(metric, chosen))} * {MILLISECONDS}"


def failures(kinds: Kinds, chosen: str) -> str:
    """Return the number of failed items of each operation, without retried failures."""
    return f"{item_count(kinds, 'certainly_failed', chosen)} or {with_zeros(kinds, 'failed', chosen)}"


def stalled(kinds: Kinds, chosen: str) -> str:
    """Return the operations that have started, are not complete, and have not changed for the variable ``stalled``.

    A waiting operation has not started. An operation without a progress ratio has started if one of its counts is
    above zero.
    """
    counts = changing_metrics(kinds)
    any_count = f"{{{matcher('__name__', counts)}, {chosen}}} > 0 unless {SAME_OPERATION} {PROGRESS}"
    return "\n".join(
        (
            in_phase(kinds, chosen, *STARTED),
            f"and {per_operation(f'{selector(LAST_READ, chosen)} offset $stalled')}",
            f"and {per_operation(f'{selector(PROGRESS, chosen)} < 1 or {any_count}')}",
            *(
                f"unless {per_operation(f'changes({selector(name, chosen)}[$stalled])')} > 0"
                for name in (STATUS, PROGRESS, *counts)
            ),
        )
    )


def cells_down(chosen: str) -> str:
    """Return the cells that an exporter cannot read, except those of a service that AWS has switched off."""
    ended = f'{CELL_ERROR}{{reason="end_of_support"}}'
    return per_cell("min", f"{selector(UP, chosen)} unless ignoring (reason) {ended}") + " == 0"
