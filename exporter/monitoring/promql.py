"""PromQL as text: the metric names, label sets and expressions that rules and dashboards share.

Several exporters may report the same operation or cell. Expressions aggregate, so that each one counts once.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Literal

from exporter.kinds.kind import Kind, SeriesSelector
from exporter.kinds.metric import IDENTITY, Metric
from exporter.metrics.families import PREFIX as OPERATION_PREFIX
from exporter.metrics.self_metrics import ACCOUNT, API, CELL
from exporter.metrics.self_metrics import PREFIX as EXPORTER_PREFIX
from exporter.monitoring.selection import GROUPING

Kinds = Sequence[Kind[Any]]
# The fields of ItemSeries.
ItemCount = Literal[
    "succeeded", "failed", "processed", "unfinished", "invalid", "retried", "certainly_failed", "possibly_failed"
]

OPERATION_LABELS = IDENTITY
ACCOUNT_LABELS = ACCOUNT
CELL_LABELS = CELL
API_LABELS = API
# One release of exporters, and one exporter. The labels of a release are a setting.
BY_RELEASE = "by (${grouping})"
BY_TARGET = "by (${grouping}, instance)"
ON_TARGET = "on (${grouping}, instance)"
# The names of accounts are unique in one exporter.
ON_ACCOUNT = "on (${grouping}, instance, account)"
TARGET_LABELS = (*GROUPING, "instance")

STATUS = OPERATION_PREFIX + "status"
PROGRESS = OPERATION_PREFIX + "progress_ratio"
CREATED = OPERATION_PREFIX + "created_timestamp_seconds"
SCHEDULED_START = OPERATION_PREFIX + "scheduled_start_timestamp_seconds"
UPDATED = OPERATION_PREFIX + "updated_timestamp_seconds"
COMPLETED = OPERATION_PREFIX + "completed_timestamp_seconds"
CONTINUOUS = OPERATION_PREFIX + "continuous"
ABORTED = OPERATION_PREFIX + "aborted"
LAST_READ = OPERATION_PREFIX + "last_read_timestamp_seconds"
INFO = OPERATION_PREFIX + "info"
UP = EXPORTER_PREFIX + "up"
ACCOUNT_ACCESSIBLE = EXPORTER_PREFIX + "account_accessible"
CELL_ERROR = EXPORTER_PREFIX + "cell_error"
BUILD_INFO = EXPORTER_PREFIX + "build_info"
SHARDS = EXPORTER_PREFIX + "shards"
SHARD_ORDINAL = EXPORTER_PREFIX + "shard_ordinal"
START_TIME = "process_start_time_seconds"


def by(labels: Sequence[str]) -> str:
    """Return a clause that aggregates by these labels."""
    return f"by ({', '.join(labels)})"


def on(labels: Sequence[str]) -> str:
    """Return a clause that matches two sides by these labels."""
    return f"on ({', '.join(labels)})"


SAME_OPERATION = on(OPERATION_LABELS)


def selector(metric: str, *matchers: str) -> str:
    """Return the series of a metric that all matchers select. Empty matchers are left out."""
    chosen = ", ".join(filter(None, matchers))
    return f"{metric}{{{chosen}}}" if chosen else metric


def matcher(label: str, values: Sequence[str]) -> str:
    """Return a matcher for a label that has one of the values."""
    return f'{label}{"=" if len(values) == 1 else "=~"}"{"|".join(values)}"'


def per_operation(series: str, *labels: str) -> str:
    """Return the largest value of each operation, or of each operation and these labels."""
    return f"max {by((*OPERATION_LABELS, *labels))} ({series})"


def per_cell(aggregation: str, series: str, *labels: str) -> str:
    """Return one value of each cell, or of each cell and these labels. ``aggregation`` is ``min`` or ``max``."""
    return f"{aggregation} {by((*CELL_LABELS, *labels))} ({series})"


def per_shard(series: str, *labels: str, applied: str = "{}") -> str:
    """Return the largest value of each shard of each release and these labels.

    An exporter has these sums over its own cells. The shards of a release have different cells, a pair has the same.
    ``applied`` is an expression with the series in place of ``{}``.
    """
    # No other function turns a value, here the number of the shard, into a label.
    ordinals = f'count_values {BY_TARGET} ("ordinal", {applied.replace("{}", SHARD_ORDINAL)})'
    kept = by(("${grouping}", "ordinal", *labels))
    return f"max {kept} ({applied.replace('{}', series)} * {ON_TARGET} group_left (ordinal) {ordinals})"


def shard_count(ordinals: str) -> str:
    """Return the number of different shards of each release."""
    return f'count {BY_RELEASE} (count_values {BY_RELEASE} ("ordinal", {ordinals}))'


def union(queries: Iterable[str]) -> str:
    """Return the series of all queries, or none if there is no query."""
    return " or ".join(queries) or "(vector(0) > 0)"


def item_count(kinds: Kinds, count: ItemCount, chosen: str = "", applied: str = "{}") -> str:
    """Return a count of items of each operation, for the kinds that have it.

    If a kind has several sources of the count, the largest count is the result. ``chosen`` narrows every source, and
    ``applied`` is an expression with every source in place of ``{}``.
    """
    sources_of_kinds = filter(None, (getattr(kind.items, count) for kind in kinds))
    return union(
        reduce(_larger_of, (_item_sum(source, chosen, applied) for source in sources)) for sources in sources_of_kinds
    )


def with_zeros(kinds: Kinds, count: ItemCount, chosen: str = "") -> str:
    """Return a count of items with 0 for each final operation that has series of other states only."""
    zeros = (f"0 * {per_operation(selector(metric, chosen))}" for metric in _metrics_with_states(kinds, count))
    return " or ".join((item_count(kinds, count, chosen), *zeros))


def failed_items_by(kinds: Kinds, labels: Sequence[str], chosen: str = "") -> str:
    """Return the sum of the failed items by some labels, or 0 where operations report items and none failed.

    The zeros are of the sum. Those of each operation would make a graph of many operations slow.
    """
    metrics = dict.fromkeys(source.metric for kind in kinds for source in kind.items.failed)
    zeros = (f"0 * count {by(labels)} ({selector(metric, chosen)})" for metric in metrics)
    return " or ".join((f"sum {by(labels)} ({failed_items(kinds, chosen)})", *zeros))


def _metrics_with_states(kinds: Kinds, count: ItemCount) -> tuple[str, ...]:
    """Return the metrics of a count that have a series for each state, and none for a state of a final operation."""
    sources = (source for kind in kinds for source in getattr(kind.items, count))
    return tuple(dict.fromkeys(source.metric for source in sources if source.label))


def failed_items(kinds: Kinds, chosen: str = "", applied: str = "{}") -> str:
    """Return the failed items of each operation: only the certainly failed ones if it has retries."""
    counts: tuple[ItemCount, ...] = ("certainly_failed", "failed")
    return " or ".join(item_count(kinds, count, chosen, applied) for count in counts)


def _larger_of(left: str, right: str) -> str:
    # An operation may be on one side only. PromQL has no maximum of two expressions.
    return f"({left} >= {right} or {right} or {left})"


def _item_sum(source: SeriesSelector, chosen: str, applied: str) -> str:
    if not source.label:
        return per_operation(applied.replace("{}", selector(source.metric, chosen)))
    parts = applied.replace("{}", selector(source.metric, chosen, matcher(source.label, source.values)))
    return f"sum {by(OPERATION_LABELS)} ({per_operation(parts, source.label)})"


def kind_metrics(kinds: Kinds) -> tuple[Metric[Any], ...]:
    """Return the metrics that only some kinds have, each once."""
    return tuple({metric.name: metric for kind in kinds for metric in kind.metrics}.values())


def changing_metrics(kinds: Kinds) -> tuple[str, ...]:
    """Return the names of the metrics of some kinds that change while an operation runs."""
    return tuple(metric.name for metric in kind_metrics(kinds) if not metric.constant)
