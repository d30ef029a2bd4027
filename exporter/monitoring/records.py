"""The recording rules. They translate the series of all kinds into common terms, so that no alert names a kind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from exporter.aws.errors import REASONS
from exporter.core.errors import Reason
from exporter.kinds.kind import Kind
from exporter.metrics.self_metrics import PREFIX
from exporter.monitoring.promql import (
    API_LABELS,
    CREATED,
    LAST_READ,
    PROGRESS,
    SAME_OPERATION,
    STATUS,
    UP,
    UPDATED,
    Kinds,
    by,
    item_count,
    kind_metrics,
    matcher,
    per_cell,
    per_operation,
    selector,
    union,
)

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


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule, named level:metric:operation. ``help`` describes its value."""

    name: str
    query: str
    help: str


def records(kinds: Kinds) -> tuple[Record, ...]:
    """Return the recording rules for these kinds. A rule may use the rules before it."""
    return (*_states(kinds), *_items(kinds), *_rates(), *_exporter_records(kinds))


def _states(kinds: Kinds) -> Iterable[Record]:
    # AWS lists an operation for a month after its end and does not report the time of the end. The last change does
    # not cover changes of the operation's items. An operation seen unfinished in the window is therefore recent, too.
    changed = f"({per_operation(UPDATED)} or {per_operation(CREATED)}) > time() - ${{ended_seconds}}"
    seen = f"max_over_time({UNFINISHED}[${{ended_seconds}}s])"
    waiting = _has_status(kinds, lambda kind: kind.waiting)
    under_way = item_count(kinds, "unfinished")
    return (
        Record(ACTIVE, _has_status(kinds, lambda kind: kind.active), "1 if AWS may still change the operation."),
        Record(UNDER_WAY, under_way, "Items that are queued or in progress, if AWS reports them."),
        Record(
            UNFINISHED,
            f"{ACTIVE} unless {SAME_OPERATION} {UNDER_WAY} == 0",
            "1 if the operation is active and may have items left to process.",
        ),
        Record(
            RUNNING,
            f"{UNFINISHED} unless {SAME_OPERATION} {waiting}",
            "1 if the operation is unfinished and not only scheduled.",
        ),
        Record(FAILED, _has_status(kinds, lambda kind: kind.failed), "1 if the operation has a failed status."),
        Record(STOPPED, _has_status(kinds, lambda kind: kind.stopped), "1 if the operation was cancelled or stopped."),
        Record(
            RECENT,
            f"{UNFINISHED} or {changed} or {seen}",
            "Exists if the operation is unfinished or ended within `ended_seconds`. The value has no meaning.",
        ),
        Record(
            UNMOVED,
            _unmoved(kinds),
            "1 if the exporter reads a running operation and none of its counts changed within `stalled`.",
        ),
    )


def _items(kinds: Kinds) -> Iterable[Record]:
    count = partial(item_count, kinds)
    # A final job without failures has no sample of them.
    both = f"{SUCCEEDED_ITEMS} + {FAILED_ITEMS}"
    processed = f"{count('processed')} or {both} or {SUCCEEDED_ITEMS} or {FAILED_ITEMS}"
    return (
        Record(SUCCEEDED_ITEMS, count("succeeded"), "Items (things, records or groups) that succeeded."),
        Record(FAILED_ITEMS, count("failed"), "Items that failed, were rejected, timed out or were invalid."),
        Record(PROCESSED_ITEMS, processed, "Items that succeeded or failed."),
        Record(INVALID_ITEMS, count("invalid"), "Items that failed because the input is invalid, if AWS reports them."),
        Record(RETRIES, count("retried"), "Retries, if AWS reports them."),
        Record(
            FAILURE_RATIO, f"{FAILED_ITEMS} / ({PROCESSED_ITEMS} > 0)", "The ratio of failed items to processed items."
        ),
    )


def _rates() -> Iterable[Record]:
    progress_rate = per_operation(f"deriv({PROGRESS}[${{rate}}])")
    return (
        Record(
            ITEM_RATE,
            f"clamp_min(deriv({PROCESSED_ITEMS}[${{rate}}]), 0) and {SAME_OPERATION} {RUNNING}",
            "Items processed per second in the last `rate`, while the operation runs.",
        ),
        Record(
            PROGRESS_RATE,
            f"clamp_min({progress_rate}, 0) and {SAME_OPERATION} {RUNNING}",
            "Increase of the progress ratio per second in the last `rate`, while the operation runs.",
        ),
        Record(
            ESTIMATED_END,
            f"time() + (1 - {per_operation(PROGRESS)}) / ({PROGRESS_RATE} > 0)",
            "The estimated end in Unix seconds, at the speed of the last `rate`.",
        ),
    )


def _exporter_records(kinds: Kinds) -> Iterable[Record]:
    codes = matcher("code", sorted(code for code, reason in REASONS.items() if reason is Reason.THROTTLED))
    errors = f"sum {by(API_LABELS)} (rate({PREFIX}api_request_errors_total{{{codes}}}[${{rate}}]))"
    requests = f"sum {by(API_LABELS)} (rate({PREFIX}api_requests_total[${{rate}}]))"
    ended = (
        f"time() - {kind.support_ended.timestamp():.0f} + 0 * {per_cell('max', selector(UP, _of_kind(kind)))}"
        for kind in kinds
        if kind.support_ended
    )
    return (
        Record(
            THROTTLED,
            f"{errors} / ({requests} > 0)",
            "The ratio of requests that AWS throttled in the last `rate`, by API. Retries count as requests.",
        ),
        Record(
            SUPPORT_ENDED,
            union(ended),
            "Seconds since AWS ended its support for the kind of the cell. Negative before that date.",
        ),
    )


def _of_kind(kind: Kind[Any]) -> str:
    return matcher("kind", (kind.name,))


def _has_status(kinds: Kinds, statuses: Callable[[Kind[Any]], Iterable[str]]) -> str:
    series = (
        selector(STATUS, _of_kind(kind), matcher("status", sorted(statuses(kind)))) for kind in kinds if statuses(kind)
    )
    return f"{per_operation(union(series))} == 1"


def _unmoved(kinds: Kinds) -> str:
    """Return the operations that the exporter reads and that ran for the whole window without a changed count."""
    before = f"last_over_time({RUNNING}[${{glance}}] offset ${{stalled}})"
    read = f"changes({LAST_READ}[${{glance}}]) > 0"
    unmoved = f"{RUNNING} and {SAME_OPERATION} {before} and {SAME_OPERATION} {read}"
    changed = (f"{SAME_OPERATION} changes({metric.name}[${{stalled}}]) > 0" for metric in kind_metrics(kinds))
    return " unless ".join((unmoved, *changed))
