"""The metric table: the rows that every kind shares, and the rows of one kind behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from exporter.core.model import Operation, Reading
from exporter.kinds.kind import Kind
from exporter.kinds.metric import Metric, gauge, info, state_set, timestamp

PREFIX = "aws_iot_bulk_operation_"
UNKNOWN = "Unknown"
"""The status that stands for every one AWS adds after this release."""

Table = tuple[Metric[Any], ...]


def table(kind: Kind[Any], tags: Sequence[str]) -> Table:
    """Return every metric of a kind; ``tags`` are the AWS tags that become labels of the info metric."""
    return (*shared_metrics(kind.statuses, tags), *kind.metrics)


def shared_metrics(statuses: tuple[str, ...], tags: Sequence[str]) -> tuple[Metric[Operation], ...]:
    """Return the rows that every kind has, in AWS's own spelling of each status."""
    return (
        state_set(
            PREFIX + "status",
            "The status of the operation in AWS's spelling: 1 for the current one, 0 for the others. "
            "A finished operation may still have failures: read the counts.",
            "status",
            (*statuses, UNKNOWN),
            lambda operation: operation.status,
        ),
        gauge(
            PREFIX + "progress_ratio",
            "The share of the operation that is done, from 0 to 1: as AWS reports it, or of the things of its job.",
            lambda operation: operation.progress,
        ),
        timestamp(
            PREFIX + "created_timestamp_seconds",
            "When the operation was created, in Unix seconds.",
            lambda operation: operation.created,
        ),
        timestamp(
            PREFIX + "updated_timestamp_seconds",
            "When AWS last changed the operation, in Unix seconds.",
            lambda operation: operation.updated,
        ),
        Metric(
            PREFIX + "last_success_timestamp_seconds",
            "When the rows of this operation were last read from AWS, in Unix seconds.",
            _read_at,
        ),
        _info(tags),
    )


def _read_at(reading: Reading[Operation]) -> Iterable[tuple[tuple[str, ...], float]]:
    return (((), reading.at),)


def _info(tags: Sequence[str]) -> Metric[Operation]:
    values: dict[str, Callable[[Operation], str]] = {
        "name": lambda operation: operation.name,
        "target": lambda operation: operation.target,
        "input": lambda operation: operation.input,
    }
    for label, tag in zip(tag_labels(tags), tags, strict=True):
        values[label] = _tag_reader(tag)
    return info(PREFIX + "info", "What is known of the operation besides figures; always 1.", values)


def _tag_reader(tag: str) -> Callable[[Operation], str]:
    return lambda operation: dict(operation.tags).get(tag, "")


def tag_labels(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the label of each tag: ``tag_`` and its name with other characters than letters and digits as ``_``.

    Names that become equal get ``_2``, ``_3`` in the order of the configuration, so that no two labels collide.
    """
    labels: list[str] = []
    for tag in tags:
        base = label = "tag_" + re.sub(r"[^a-zA-Z0-9_]", "_", tag)
        number = 1
        while label in labels:
            number += 1
            label = f"{base}_{number}"
        labels.append(label)
    return tuple(labels)
