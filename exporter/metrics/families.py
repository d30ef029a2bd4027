"""The metrics of a kind: those that all kinds share, then its own."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from exporter.core.model import Operation
from exporter.kinds.kind import Kind
from exporter.kinds.metric import Metric, gauge, info, state_set, timestamp, until_final

PREFIX = "aws_iot_bulk_operation_"
# The label value for a status that AWS added after this release.
UNKNOWN = "Unknown"

Table = tuple[Metric[Any], ...]


def table(kind: Kind[Any], tags: Sequence[str]) -> Table:
    """Return every metric of a kind. ``tags`` are the AWS tags that become labels of the info metric."""
    return (*shared_metrics(kind.statuses, tags, kind.is_continuous), *kind.metrics)


def shared_metrics(
    statuses: tuple[str, ...], tags: Sequence[str], is_continuous: Callable[[Any], bool]
) -> tuple[Metric[Operation], ...]:
    """Return the metrics that every kind has. Statuses are spelled as AWS spells them."""
    return (
        state_set(
            PREFIX + "status",
            "Current status of the operation: 1 for the status it has, 0 for all others; final operations have no 0.",
            "status",
            (*statuses, UNKNOWN),
            lambda operation: operation.status,
        ),
        gauge(
            PREFIX + "progress_ratio",
            "Ratio of the operation that is done, from 0 to 1, reported by AWS or computed from the counts of its job.",
            lambda operation: operation.progress,
        ),
        timestamp(
            PREFIX + "created_timestamp_seconds",
            "Time at which the operation was created, in Unix seconds.",
            lambda operation: operation.created,
        ),
        timestamp(
            PREFIX + "updated_timestamp_seconds",
            "Time at which AWS last updated the operation, in Unix seconds.",
            lambda operation: operation.updated,
        ),
        until_final(
            timestamp(
                PREFIX + "scheduled_start_timestamp_seconds",
                "Time at which the schedule of the operation starts it, in Unix seconds; until it is final.",
                lambda operation: operation.scheduled_start,
            )
        ),
        timestamp(
            PREFIX + "completed_timestamp_seconds",
            "Time at which the operation ended, in Unix seconds, if AWS reports it (for jobs: completedAt).",
            lambda operation: operation.completed,
        ),
        until_final(
            Metric(
                PREFIX + "last_read_timestamp_seconds",
                "Time at which the exporter last read the operation from AWS, in Unix seconds, until it is final.",
                lambda reading: (((), reading.at),),
            )
        ),
        until_final(
            gauge(
                PREFIX + "continuous",
                "Whether the operation has no end and includes things that join its target later: 1 for yes, 0 for no; "
                "until it is final.",
                lambda operation: float(is_continuous(operation)),
            )
        ),
        gauge(
            PREFIX + "aborted",
            "1 if AWS cancelled the operation because its failures met its own abort criteria; otherwise absent.",
            lambda operation: 1.0 if operation.aborted else None,
        ),
        info(
            PREFIX + "info",
            "Name, target, input, job, reason code and tags of the operation in labels, with the constant value 1.",
            {
                "name": lambda operation: operation.name,
                "target": lambda operation: operation.target,
                "input": lambda operation: operation.input,
                "job_id": lambda operation: operation.job_id,
                "reason_code": lambda operation: operation.reason_code,
                **{label: _tag_reader(tag) for label, tag in zip(tag_labels(tags), tags, strict=True)},
            },
        ),
    )


def _tag_reader(tag: str) -> Callable[[Operation], str]:
    return lambda operation: dict(operation.tags).get(tag, "")


def tag_labels(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the label of each tag: ``tag_`` and the name, with ``_`` for all but ASCII letters, digits and ``_``.

    Equal labels get the suffixes ``_2``, ``_3``, ... in the order of the configuration.
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
