"""The recording rules. They translate the series of all kinds into common terms, so that no alert names a kind."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from exporter.aws.errors import REASONS
from exporter.config.duration import parse_duration
from exporter.core.errors import Reason
from exporter.kinds.kind import Kind
from exporter.metrics.families import UNKNOWN
from exporter.metrics.self_metrics import PREFIX
from exporter.monitoring.promql import (
    API_LABELS,
    CELL_ERROR,
    COMPLETED,
    CONTINUOUS,
    CREATED,
    INFO,
    LAST_READ,
    PROGRESS,
    SAME_OPERATION,
    STATUS,
    UP,
    UPDATED,
    Kinds,
    by,
    changing_metrics,
    failed_items,
    item_count,
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
ROLLOUT_JOB = "operation:aws_iot_bulk_rollout_job:max"
RECENT = "operation:aws_iot_bulk_recent:max"
SUCCEEDED_ITEMS = "operation:aws_iot_bulk_succeeded_items:max"
FAILED_ITEMS = "operation:aws_iot_bulk_failed_items:max"
CONTINUOUS_FAILED_ITEMS = "operation:aws_iot_bulk_continuous_failed_items:max"
POSSIBLY_FAILED_ITEMS = "operation:aws_iot_bulk_possibly_failed_items:max"
PROCESSED_ITEMS = "operation:aws_iot_bulk_processed_items:max"
INVALID_ITEMS = "operation:aws_iot_bulk_invalid_items:max"
RETRIES = "operation:aws_iot_bulk_retries:max"
FAILURE_RATIO = "operation:aws_iot_bulk_failed_items:ratio"
ITEM_RATE = "operation:aws_iot_bulk_processed_items:rate"
PROGRESS_RATE = "operation:aws_iot_bulk_progress_ratio:rate"
ESTIMATED_END = "operation:aws_iot_bulk_end_timestamp_seconds:estimate"
STALLED_SECONDS = "operation:aws_iot_bulk_stalled_seconds:max"
THROTTLED = "api:aws_iot_bulk_exporter_throttled_requests:ratio"
CELL_REASONS = "cell:aws_iot_bulk_exporter_recent_errors:max"
SUPPORT_ENDED = "cell:aws_iot_bulk_exporter_support_ended_seconds:max"

# A range of a recording rule becomes a subquery. Its window is divided into this number of steps.
STEPS = 30
# Seconds.
SHORTEST_STEP = 60.0

IS_CONTINUOUS = f"{per_operation(CONTINUOUS)} == 1"
UNLESS_CONTINUOUS = f"unless {SAME_OPERATION} {IS_CONTINUOUS}"


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule, named level:metric:operation. ``help`` describes its value."""

    name: str
    query: str
    help: str


def records(kinds: Kinds) -> tuple[Record, ...]:
    """Return the recording rules for these kinds. A rule may use the rules before it."""
    return (*_states(kinds), *_items(kinds), *_rates(), *_exporter_records(kinds))


def without_records(query: str, records: Sequence[Record]) -> str:
    """Return a query with the expressions of the recording rules in place of their names."""
    for record in reversed(records):
        name = rf"(?<![\w:]){re.escape(record.name)}(?![\w:])"
        query = re.sub(rf"({name})\[(\w+)\]", _subquery, query)
        query = re.sub(name, f"({record.query})".replace("\\", r"\\"), query)
    return query


def _subquery(match: re.Match[str]) -> str:
    return f"{match[1]}[{match[2]}:{max(SHORTEST_STEP, parse_duration(match[2]) / STEPS):.0f}s]"


def _states(kinds: Kinds) -> Iterable[Record]:
    # AWS keeps ended operations longer, for example jobs for two years. The end that AWS reports comes first, then the
    # last change and the creation, which are at most as late as the end.
    times = " or ".join(map(per_operation, (COMPLETED, UPDATED, CREATED)))
    changed = f"({times}) > time() - ${{ended_seconds}}"
    waiting = _has_status(kinds, lambda kind: kind.waiting)
    # A continuous operation without unfinished items gets new ones when a thing joins its target.
    all_processed = f"({UNDER_WAY} == 0 {UNLESS_CONTINUOUS})"
    return (
        Record(ACTIVE, _has_status(kinds, _active), "1 if AWS may still change the operation."),
        Record(
            ROLLOUT_JOB,
            _rollout_jobs(kinds),
            "1 if the job rolls out another operation that the exporter has exposed within `ended_seconds`.",
        ),
        Record(
            UNDER_WAY, item_count(kinds, "unfinished"), "Items that are queued or in progress, if AWS reports them."
        ),
        Record(
            UNFINISHED,
            f"{ACTIVE} unless {SAME_OPERATION} {all_processed}",
            "1 if the operation is active and may have items left to process, or may get new ones.",
        ),
        Record(
            RUNNING,
            f"{UNFINISHED} unless {SAME_OPERATION} {waiting} unless {SAME_OPERATION} {ROLLOUT_JOB}",
            "1 if the operation is unfinished, not only scheduled, and no job of another operation.",
        ),
        Record(FAILED, _has_status(kinds, lambda kind: kind.failed), "1 if the operation has a failed status."),
        Record(STOPPED, _has_status(kinds, lambda kind: kind.stopped), "1 if the operation was cancelled or stopped."),
        Record(
            RECENT,
            f"({UNFINISHED} or {changed} or {_seen_active(kinds)}) unless {SAME_OPERATION} {ROLLOUT_JOB}",
            "Exists if the operation is unfinished or ended within `ended_seconds`, and is no job of another one. "
            "The value has no meaning.",
        ),
        Record(
            STALLED_SECONDS,
            _stalled_seconds(kinds),
            "The window of the kind in seconds, for a running operation that the exporter reads, "
            "and none of whose counts changed within the window. Continuous operations are left out.",
        ),
    )


def _items(kinds: Kinds) -> Iterable[Record]:
    count = partial(item_count, kinds)
    # A final job without failures has no sample of them.
    both = f"{SUCCEEDED_ITEMS} + {FAILED_ITEMS}"
    processed = f"{count('processed')} or {both} or {SUCCEEDED_ITEMS} or {FAILED_ITEMS}"
    return (
        Record(SUCCEEDED_ITEMS, count("succeeded"), "Items (things, records or groups) that succeeded."),
        Record(
            FAILED_ITEMS,
            failed_items(kinds),
            "Items that failed, were rejected, timed out or were invalid. Retried failures are not included.",
        ),
        # A range of a day is expensive, so it covers only these operations.
        Record(
            CONTINUOUS_FAILED_ITEMS,
            f"{FAILED_ITEMS} and {SAME_OPERATION} {IS_CONTINUOUS}",
            "Failed items of continuous operations.",
        ),
        Record(
            POSSIBLY_FAILED_ITEMS,
            count("possibly_failed"),
            "Further items that may have failed, if an operation has retries.",
        ),
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
            f"time() + (1 - {per_operation(PROGRESS)}) / ({PROGRESS_RATE} > 0) {UNLESS_CONTINUOUS}",
            "The estimated end in Unix seconds, at the speed of the last `rate`. A continuous operation has none.",
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
            CELL_REASONS,
            per_cell("max", f"max_over_time({CELL_ERROR}[${{rate}}])", "reason"),
            "1 for each reason for which the cell failed in the last `rate`.",
        ),
        Record(
            SUPPORT_ENDED,
            union(ended),
            "Seconds since AWS ended its support for the kind of the cell. Negative before that date.",
        ),
    )


def _active(kind: Kind[Any]) -> frozenset[str]:
    # A status that AWS added after this release may change.
    return kind.active | {UNKNOWN}


def _of_kind(kind: Kind[Any]) -> str:
    return matcher("kind", (kind.name,))


def _has_status(kinds: Kinds, statuses: Callable[[Kind[Any]], Iterable[str]]) -> str:
    series = (
        selector(STATUS, _of_kind(kind), matcher("status", sorted(statuses(kind)))) for kind in kinds if statuses(kind)
    )
    return f"{per_operation(union(series))} == 1"


def _rollout_jobs(kinds: Kinds) -> str:
    """Return the jobs that AWS created for other operations. AWS cancels the job of a deployment that it replaces."""
    return per_operation(union(_rollout_jobs_of(kind) for kind in kinds if kind.rollout_kind))


def _rollout_jobs_of(kind: Kind[Any]) -> str:
    owners = selector(INFO, _of_kind(kind), 'job_id!=""')
    ids = f'label_join(last_over_time({owners}[${{ended_seconds}}s]), "id", "", "job_id")'
    return f'label_replace({ids}, "kind", "{kind.rollout_kind}", "", "")'


def kind_parameters(kind: Kind[Any]) -> tuple[str, str]:
    """Return the names of the parameters of a kind: the window and the ratio for stalled operations."""
    return f"stalled_{kind.name}_seconds", f"stalled_{kind.name}_ratio"


def _seen_active(kinds: Kinds) -> str:
    """Return the operations of kinds without the time of the last change that Prometheus saw active in the window."""
    series = (
        selector(STATUS, _of_kind(kind), matcher("status", sorted(_active(kind))))
        for kind in kinds
        if not kind.reports_update
    )
    return union(f"{per_operation(f'max_over_time({active}[${{ended_seconds}}s])')} == 1" for active in series)


def _stalled_seconds(kinds: Kinds) -> str:
    """Return the operations that the exporter reads and that ran for the whole window without a changed count."""
    read = f"changes({LAST_READ}[${{read_window}}]) > 0"
    conditions = f"and {SAME_OPERATION} {RUNNING} and {SAME_OPERATION} {read} {UNLESS_CONTINUOUS}"
    return f"({union(map(_unchanged, kinds))}) {conditions}"


def _unchanged(kind: Kind[Any]) -> str:
    """Return the window of a kind in seconds for each operation that ran before it and had no changed count in it."""
    (seconds, ratio), of_kind = (f"${{{name}}}" for name in kind_parameters(kind)), _of_kind(kind)
    started = matcher("status", sorted(_active(kind) - kind.waiting))
    before = per_operation(f"last_over_time({selector(STATUS, of_kind, started)}[${{read_window}}] offset {seconds}s)")
    almost_done = f"{selector(PROGRESS, of_kind)} > 1 - {ratio}"
    changed = (f"changes({name}[{seconds}s]) > 0" for name in changing_metrics((kind,)))
    exceptions = (f"unless {SAME_OPERATION} {exception}" for exception in (almost_done, *changed))
    return f"({' '.join((f'{seconds} * ({before} == 1)', *exceptions))})"
