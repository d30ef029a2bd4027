"""The recording rules: what the rows of all kinds mean, so that no alert and no dashboard names a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from exporter.aws.errors import REASONS
from exporter.core.errors import Reason
from exporter.kinds.kind import Kind, SeriesSelector
from exporter.monitoring.rule import OF_API, OF_CELL, OF_OPERATION, Record, by, on

NOTHING = "(vector(0) > 0)"
"""A query that never has an answer, for what no kind has."""
MAX = f"max {by(OF_OPERATION)}"
SAME = on(OF_OPERATION)

ACTIVE = "operation:aws_iot_bulk_active:max"
UNDER_WAY = "operation:aws_iot_bulk_under_way_items:max"
UNFINISHED = "operation:aws_iot_bulk_unfinished:max"
RUNNING = "operation:aws_iot_bulk_running:max"
FAILED = "operation:aws_iot_bulk_failed:max"
STOPPED = "operation:aws_iot_bulk_stopped:max"
RECENT = "operation:aws_iot_bulk_recent:max"
SUCCEEDED_ITEMS = "operation:aws_iot_bulk_succeeded_items:max"
FAILED_ITEMS = "operation:aws_iot_bulk_failed_items:max"
PROCESSED_ITEMS = "operation:aws_iot_bulk_processed_items:max"
INVALID_ITEMS = "operation:aws_iot_bulk_invalid_items:max"
RETRIES = "operation:aws_iot_bulk_retries:max"
FAILURE_RATIO = "operation:aws_iot_bulk_failed_items:ratio"
ITEM_RATE = "operation:aws_iot_bulk_processed_items:rate"
PROGRESS_RATE = "operation:aws_iot_bulk_progress_ratio:rate"
ESTIMATED_END = "operation:aws_iot_bulk_end_timestamp_seconds:estimate"
UNMOVED = "operation:aws_iot_bulk_unmoved:max"
THROTTLED = "api:aws_iot_bulk_exporter_throttled_requests:ratio"
SUPPORT_ENDED = "cell:aws_iot_bulk_exporter_support_ended_seconds:max"

PROGRESS = "aws_iot_bulk_operation_progress_ratio"
UPDATED = f"{MAX} (aws_iot_bulk_operation_updated_timestamp_seconds)"
CREATED = f"{MAX} (aws_iot_bulk_operation_created_timestamp_seconds)"
READ = "aws_iot_bulk_operation_last_success_timestamp_seconds"


def records(kinds: Sequence[Kind[Any]]) -> tuple[Record, ...]:
    """Return the recording rules for these kinds; a rule may use the ones before it."""
    return (*_states(kinds), *_items(kinds), *_speed(), *_of_exporter(kinds))


def _states(kinds: Sequence[Kind[Any]]) -> Iterable[Record]:
    """Give what goes on, and what ended how. ``recent`` is what goes on or has not ended long ago.

    AWS lists an operation for a month after its end. When it ended is nowhere told: the last change does not count
    what happened to its items, so that having been seen unfinished within the time counts as well.
    """
    under_way = _counted(kinds, lambda kind: kind.items.under_way)
    changed = f"({UPDATED} or {CREATED}) > time() - ${{ended_seconds}}"
    seen = f"max_over_time({UNFINISHED}[${{ended_seconds}}s])"
    return (
        Record(ACTIVE, _in_status(kinds, lambda kind: kind.active), "1 where AWS may still change the operation."),
        Record(UNDER_WAY, under_way, "Items that are queued or in progress, where AWS tells."),
        Record(
            UNFINISHED,
            f"{ACTIVE} unless {SAME} {UNDER_WAY} == 0",
            "1 where the operation is active and may have items left.",
        ),
        Record(
            RUNNING,
            f"{UNFINISHED} unless {SAME} {_in_status(kinds, lambda kind: kind.waiting)}",
            "1 where it is unfinished and not just scheduled.",
        ),
        Record(
            FAILED, _in_status(kinds, lambda kind: kind.failed), "1 where the status says that the operation failed."
        ),
        Record(
            STOPPED, _in_status(kinds, lambda kind: kind.stopped), "1 where the operation was cancelled or stopped."
        ),
        Record(
            RECENT,
            f"{UNFINISHED} or {changed} or {seen}",
            "There where the operation is unfinished or ended within `ended_seconds`; the value has no meaning.",
        ),
        Record(
            UNMOVED, _unmoved(kinds), "1 where a running operation was read and no count of it changed for `stalled`."
        ),
    )


def _items(kinds: Sequence[Kind[Any]]) -> Iterable[Record]:
    processed = _counted(kinds, lambda kind: kind.items.processed)
    return (
        Record(
            SUCCEEDED_ITEMS,
            _counted(kinds, lambda kind: kind.items.succeeded),
            "Items that ended well: things, records or groups.",
        ),
        Record(
            FAILED_ITEMS,
            _counted(kinds, lambda kind: kind.items.failed),
            "Items that ended badly: failed, rejected, timed out or invalid.",
        ),
        Record(
            PROCESSED_ITEMS, f"{processed} or {SUCCEEDED_ITEMS} + {FAILED_ITEMS}", "Items that ended, well or badly."
        ),
        Record(
            INVALID_ITEMS,
            _counted(kinds, lambda kind: kind.items.invalid),
            "Items that failed because the input is wrong, where AWS tells.",
        ),
        Record(
            RETRIES, _counted(kinds, lambda kind: kind.items.retried), "Attempts that are made again, where AWS tells."
        ),
        Record(
            FAILURE_RATIO,
            f"{FAILED_ITEMS} / ({PROCESSED_ITEMS} > 0)",
            "The share of failed items among the processed ones.",
        ),
    )


def _speed() -> Iterable[Record]:
    """Give items and shares a second over the last minutes, and when an operation ends if it goes on like that."""
    rate = f"{MAX} (deriv({PROGRESS}[${{rate}}]))"
    return (
        Record(
            ITEM_RATE,
            f"clamp_min(deriv({PROCESSED_ITEMS}[${{rate}}]), 0) and {SAME} {RUNNING}",
            "Items processed a second over `rate`, while the operation runs.",
        ),
        Record(
            PROGRESS_RATE,
            f"clamp_min({rate}, 0) and {SAME} {RUNNING}",
            "The share of the whole that gets done a second over `rate`, while the operation runs.",
        ),
        Record(
            ESTIMATED_END,
            f"time() + (1 - {MAX} ({PROGRESS})) / ({PROGRESS_RATE} > 0)",
            "When the operation ends if it goes on as over `rate`, in Unix seconds.",
        ),
    )


def _of_exporter(kinds: Sequence[Kind[Any]]) -> Iterable[Record]:
    codes = _among("code", sorted(code for code, reason in REASONS.items() if reason is Reason.THROTTLED))
    errors = f"sum {by(OF_API)} (rate(aws_iot_bulk_exporter_api_request_errors_total{{{codes}}}[${{rate}}]))"
    requests = f"sum {by(OF_API)} (rate(aws_iot_bulk_exporter_api_requests_total[${{rate}}]))"
    ended = (
        f"time() - {kind.support_ended.timestamp():.0f} + 0 * max {by(OF_CELL)} ({_own('up', kind)})"
        for kind in kinds
        if kind.support_ended
    )
    return (
        Record(
            THROTTLED, f"{errors} / ({requests} > 0)", "The share of attempts that AWS throttled over `rate`, by API."
        ),
        Record(
            SUPPORT_ENDED,
            _any(ended),
            "How long ago AWS ended its support for the kind of a cell, in seconds; negative before.",
        ),
    )


def _own(name: str, kind: Kind[Any]) -> str:
    return f'aws_iot_bulk_exporter_{name}{{kind="{kind.name}"}}'


def _in_status(kinds: Sequence[Kind[Any]], statuses: Callable[[Kind[Any]], Iterable[str]]) -> str:
    rows = (
        f'aws_iot_bulk_operation_status{{kind="{kind.name}",{_among("status", sorted(statuses(kind)))}}}'
        for kind in kinds
        if statuses(kind)
    )
    return f"{MAX} ({_any(rows)}) == 1"


def _counted(kinds: Sequence[Kind[Any]], sources: Callable[[Kind[Any]], Sequence[SeriesSelector]]) -> str:
    """Return the count of every kind that has it; a row that several exporters report counts once."""
    return _any(_largest([_sum(rows) for rows in sources(kind)]) for kind in kinds if sources(kind))


def _sum(rows: SeriesSelector) -> str:
    if not rows.label:
        return f"{MAX} ({rows.metric})"
    distinct = by((*OF_OPERATION, rows.label))
    return f"sum {by(OF_OPERATION)} (max {distinct} ({rows.metric}{{{_among(rows.label, rows.values)}}}))"


def _largest(queries: Sequence[str]) -> str:
    first, *rest = queries
    for query in rest:
        first = f"({first} >= {query} or {query} or {first})"
    return first


def _unmoved(kinds: Sequence[Kind[Any]]) -> str:
    """Return what has been running for the whole window without a change of any count, and was read all the same."""
    names = dict.fromkeys(metric.name for kind in kinds for metric in kind.metrics)
    moved = (f"changes({name}[${{stalled}}]) > 0" for name in names)
    before = f"last_over_time({RUNNING}[${{glance}}] offset ${{stalled}})"
    read = f"changes({READ}[${{glance}}]) > 0"
    return " unless ".join((f"{RUNNING} and {SAME} {before} and {SAME} {read}", *(f"{SAME} {one}" for one in moved)))


def _among(label: str, values: Sequence[str]) -> str:
    return f'{label}{"=" if len(values) == 1 else "=~"}"{"|".join(values)}"'


def _any(queries: Iterable[str]) -> str:
    return " or ".join(queries) or NOTHING
