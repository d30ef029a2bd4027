"""PromQL for the dashboards: every figure of a pair of exporters counts once, and no recording rule is needed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from exporter.kinds.kind import Kind, SeriesSelector
from exporter.kinds.metric import IDENTITY, Metric
from exporter.metrics.families import PREFIX as OPERATION
from exporter.metrics.self_metrics import CELL
from exporter.metrics.self_metrics import PREFIX as EXPORTER
from exporter.monitoring.dashboards.statuses import GOING, MOVING, Kinds, statuses

CHOSEN = 'aws_account_id=~"$account", aws_region=~"$region", kind=~"$kind"'
"""Picks what the variables choose where several values may be chosen."""
ONE = 'aws_account_id="$account", aws_region="$region", kind="$kind", id="$id"'
"""Picks one operation."""
INSTANCE = 'instance=~"$instance"'
"""Picks exporters, by the label that Prometheus gives its targets."""
CELL_OF_ONE = 'aws_account_id="$account", aws_region="$region", kind="$kind"'

STATUS = OPERATION + "status"
PROGRESS = OPERATION + "progress_ratio"
CREATED = OPERATION + "created_timestamp_seconds"
UPDATED = OPERATION + "updated_timestamp_seconds"
READ = OPERATION + "last_success_timestamp_seconds"
INFO = OPERATION + "info"
UP = EXPORTER + "up"
CELL_ERROR = EXPORTER + "cell_error"

MILLISECONDS = 1000
"""Grafana's units for moments take milliseconds where Prometheus has seconds."""


def own(name: str, chosen: str) -> str:
    """Return a metric of the exporter itself."""
    return f"{EXPORTER}{name}{{{chosen}}}"


def rate(counter: str) -> str:
    """Return how much a counter grows in a second, over as long as a point on the screen needs."""
    return f"rate({counter}[$__rate_interval])"


def per_operation(rows: str, *labels: str) -> str:
    """Return one value for each operation, or for each and a label, however many exporters report it."""
    return f"max by ({', '.join((*IDENTITY, *labels))}) ({rows})"


def per_cell(aggregation: str, rows: str, *labels: str) -> str:
    """Return one value for each cell; ``aggregation`` says whose word counts where exporters differ."""
    return f"{aggregation} by ({', '.join((*CELL, *labels))}) ({rows})"


def counted(rows: str, chosen: str = CHOSEN) -> str:
    """Return how many rows there are: 0 for none, and nothing where no exporter answers."""
    return f"count({rows}) or 0 * count({UP}{{{chosen}}})"


def in_status(words: str, chosen: str) -> str:
    """Return the operations of a status that a regular expression matches."""
    return per_operation(f'{STATUS}{{{chosen}, status=~"{words}"}} == 1')


def going(kinds: Kinds, chosen: str) -> str:
    """Return the operations that AWS may still change."""
    return in_status(statuses(kinds, *GOING), chosen)


def pace(chosen: str) -> str:
    """Return the share of each operation that gets done in a second, as the window of the dashboard saw it."""
    return per_operation(f"deriv({PROGRESS}{{{chosen}}}[$window])")


def estimated_end(kinds: Kinds, chosen: str) -> str:
    """Return when an operation ends if it goes on as it does, in milliseconds; nothing for one that stands still."""
    left = f"(1 - {per_operation(f'{PROGRESS}{{{chosen}}}')})"
    return f"(time() + {left} / ({pace(chosen)} > 0)) * {MILLISECONDS} and {going(kinds, chosen)}"


def moment(metric: str, chosen: str) -> str:
    """Return a moment of each operation in milliseconds."""
    return f"{per_operation(f'{metric}{{{chosen}}}')} * {MILLISECONDS}"


def last_read(chosen: str) -> str:
    """Return when each operation was read last, in Unix seconds."""
    return per_operation(f"{READ}{{{chosen}}}")


def failures(kinds: Kinds, chosen: str) -> str:
    """Return how many items of each operation ended badly, whatever its kind calls them."""
    return " or ".join(
        reduce(_larger, (_items(rows, chosen) for rows in kind.items.failed)) for kind in kinds if kind.items.failed
    )


def _items(rows: SeriesSelector, chosen: str) -> str:
    if not rows.label:
        return per_operation(f"{rows.metric}{{{chosen}}}")
    of_values = f'{rows.metric}{{{chosen}, {rows.label}=~"{"|".join(rows.values)}"}}'
    return f"sum by ({', '.join(IDENTITY)}) ({per_operation(of_values, rows.label)})"


def _larger(one: str, other: str) -> str:
    return f"({one} > {other} or {other} or {one})"


def own_metrics(kinds: Iterable[Kind[Any]]) -> tuple[Metric[Any], ...]:
    """Return the metrics that only some kinds have, each once."""
    return tuple({metric.name: metric for kind in kinds for metric in kind.metrics}.values())


def stalled(kinds: Kinds, chosen: str) -> str:
    """Return the operations that have begun and are not done, and of which nothing moved for the variable's time.

    What waits for its time has not begun. One without progress has begun when it has counted something.
    """
    counts = [metric.name for metric in own_metrics(kinds)]
    return "\n".join(
        (
            in_status(statuses(kinds, *MOVING), chosen),
            f"and {per_operation(f'{READ}{{{chosen}}} offset $stalled')}",
            f"and {per_operation(_begun(counts, chosen))}",
            *(
                f"unless {per_operation(f'changes({name}{{{chosen}}}[$stalled])')} > 0"
                for name in (STATUS, PROGRESS, *counts)
            ),
        )
    )


def _begun(counts: Iterable[str], chosen: str) -> str:
    of_counts = f'{{__name__=~"{"|".join(counts)}", {chosen}}} > 0 unless on ({", ".join(IDENTITY)}) {PROGRESS}'
    return f"{PROGRESS}{{{chosen}}} < 1 or {of_counts}"


def down(chosen: str) -> str:
    """Return the cells that an exporter could not read; a service that AWS has switched off is nobody's emergency."""
    ended = f'{CELL_ERROR}{{reason="end_of_support"}}'
    return per_cell("min", f"{UP}{{{chosen}}} unless ignoring (reason) {ended}") + " == 0"
