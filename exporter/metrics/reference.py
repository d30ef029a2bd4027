"""Documents that are generated from the declared metrics and kinds."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from exporter.core.errors import Reason
from exporter.core.model import CellKey, Failure, Scope, Shard, Snapshot
from exporter.core.store import Store
from exporter.kinds.kind import Kind
from exporter.kinds.metric import IDENTITY, Metric
from exporter.metrics.families import table
from exporter.metrics.self_metrics import (
    CELL,
    ApiMetrics,
    ConfigMetrics,
    FamilyCollector,
    OrganizationState,
    budget_families,
    cell_families,
    new_registry,
    organization_families,
    probe_families,
    state_families,
)

# A metric's name, labels and help text.
Line = tuple[str, str, str]


def metrics_document(kinds: Sequence[Kind[Any]]) -> str:
    """Return docs/metrics.md: every metric of the operations, of the exporter and of a probe."""
    head = ("# Metrics", "", "The command `aws-iot-bulk-exporter show metrics` prints this page.", "")
    return "\n".join((*head, *_operations_section(kinds), "", *_exporter_section(), "", *_probe_section(), ""))


def metrics_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the table of the operations' metrics in Markdown."""
    lines = {metric.name: metric for kind in kinds for metric in table(kind, ())}
    return "\n".join(_rows((metric.name, _labels(metric), metric.help) for metric in lines.values()))


def kinds_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the table of the kinds in Markdown."""
    rows = (
        f"| `{kind.name}` | [{kind.title}]({kind.reference}) | {', '.join(call.name for call in kind.calls)} |"
        for kind in kinds
    )
    return "\n".join(("| kind | operation of AWS | API calls |", "|---|---|---|", *rows))


def _operations_section(kinds: Sequence[Kind[Any]]) -> Iterable[str]:
    return (
        "## Bulk operations",
        "",
        f"Every series has the labels {_code(IDENTITY)}, so that queries can join any two of them.",
        "All metrics are gauges: AWS reports the values, and they disappear with the operation.",
        "A count that AWS does not send has no series. It is never exposed as 0.",
        "A completed operation can have failed items, which only the counts show.",
        "",
        "An operation is final if it has ended and none of its items is unfinished, so that nothing can change.",
        "Most operations are final, so they have few series: only their current status, and no counts of 0 by state,",
        "status or code. They also have no series for their last reading and for being continuous.",
        "A query must not need a sample of 0 of a final operation.",
        "",
        "The label `reason_code` has the `reasonCode` of a job, as a user or AWS set it. For other kinds it is empty.",
        "AWS documents no values of it, only that it consists of capital letters, digits and `_`.",
        "Therefore `aws_iot_bulk_operation_aborted` does not depend on it:",
        "the exporter compares the counts of a cancelled job with the abort criteria of the job.",
        "",
        metrics_table(kinds),
        "",
        "The statuses are spelled as AWS spells them. `Unknown` is a status that AWS added after this release:",
        "",
        *(f"- `{kind.name}`: {_code(kind.statuses)}" for kind in kinds),
        *(line for notes in dict.fromkeys(kind.notes for kind in kinds if kind.notes) for line in ("", notes.rstrip())),
    )


def _exporter_section() -> Iterable[str]:
    return (
        "## The exporter itself",
        "",
        f"Metrics with the labels `cell` have {_code(CELL)}.",
        "A cell is one kind in one Region of a configured account.",
        f"A `reason` is one of {_code(reason for reason in Reason if reason is not Reason.NOT_FOUND)}.",
        "An id that AWS does not know is no failure of its cell: `aws_iot_bulk_exporter_unknown_ids` counts it.",
        "",
        *_rows(_lines(_exporter_registry().collect())),
    )


def _probe_section() -> Iterable[str]:
    return (
        "## A probe",
        "",
        "The response of /probe has the metrics of one operation, and these:",
        f"If AWS does not know the id, the `reason` is `{Reason.NOT_FOUND}`.",
        "",
        *_rows(_lines(probe_families([Reason.OTHER], 0.0))),
    )


def _labels(metric: Metric[Any]) -> str:
    return _code(metric.labels) + (", `tag_*`" if metric.name.endswith("_info") else "")


def _lines(families: Iterable[Family]) -> Iterable[Line]:
    suffix = {"counter": "_total", "info": "_info"}
    for family in families:
        labels = [label for label in family.samples[0].labels if label != "le"]
        own = [label for label in labels if label not in CELL] if set(CELL) <= set(labels) else labels
        cell = "cell" if set(CELL) <= set(labels) else ""
        shown = ", ".join(part for part in (cell, _code(own)) if part)
        yield family.name + suffix.get(family.type, ""), shown, f"{family.documentation} ({family.type})"


def _exporter_registry() -> CollectorRegistry:
    """Return a registry in which every metric has a sample, so that its labels are known."""
    registry = new_registry(Shard())
    api = ApiMetrics(registry)
    api.requests.labels("", "", "", "")
    api.errors.labels("", "", "", "", "")
    api.duration.labels("", "")
    failing = Snapshot(CellKey("", "", ""), Scope("", "", ""), reasons=frozenset({Reason.OTHER}), duration=0.0)
    waiting = Snapshot(CellKey("", "", "waiting"), Scope("", "", ""), found=True)
    idle = Snapshot(CellKey("", "", "idle"), Scope("", "", ""), up=True, duration=0.0, found=True)
    refused = replace(failing, key=CellKey("", "", "refused"), found=True, account_failures=(Failure(Reason.OTHER),))
    denied = replace(failing, key=CellKey("", "", "denied"), found=True, reasons=frozenset({Reason.ACCESS_DENIED}))
    store = Store((failing, waiting, idle, refused, denied))
    registry.register(FamilyCollector(lambda: budget_families(store, [("", "", "", "")], lambda key: 0.0)))
    registry.register(FamilyCollector(lambda: cell_families(store)))
    ConfigMetrics(registry)
    organizations = {"": OrganizationState(is_successful=True, accounts=0, succeeded_at=0.0)}
    registry.register(FamilyCollector(lambda: organization_families(organizations)))
    registry.register(FamilyCollector(lambda: state_families(is_usable=True, restored=0)))
    return registry


def _rows(lines: Iterable[Line]) -> list[str]:
    body = [f"| `{name}` | {labels} | {help} |" for name, labels, help in lines]
    return ["| metric | labels | help |", "|---|---|---|", *body]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
