"""Documents made from the metric table, so that they cannot tell another story than the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.core.errors import Reason
from exporter.core.model import CellKey, Scope, Shard, Snapshot
from exporter.core.store import Store
from exporter.kinds.kind import Kind
from exporter.kinds.metric import IDENTITY, Metric
from exporter.metrics.families import table
from exporter.metrics.self_metrics import (
    CELL,
    ApiMetrics,
    BudgetCollector,
    CellCollector,
    ConfigMetrics,
    ProbeCollector,
    StateCollector,
    new_registry,
)

Line = tuple[str, str, str, str]
"""A metric's name, type, labels and help."""


def metrics_document(kinds: Sequence[Kind[Any]]) -> str:
    """Return docs/metrics.md: every family of the operations and of the exporter itself."""
    head = ("# Metrics", "", "This page is printed by `aws-iot-bulk-exporter show metrics`.", "")
    return "\n".join((*head, *_of_operations(kinds), "", *_of_the_exporter(), "", *_of_a_probe(), ""))


def metrics_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the table of every family of the operations, in Markdown."""
    lines = {metric.name: metric for kind in kinds for metric in table(kind, ())}
    return "\n".join(_rows((metric.name, _labels(metric), metric.help) for metric in lines.values()))


def kinds_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the table of the kinds with what they are and the calls they make, in Markdown."""
    rows = (
        f"| `{kind.name}` | [{kind.title}]({kind.reference}) | {', '.join(call.name for call in kind.calls)} |"
        for kind in kinds
    )
    return "\n".join(("| kind | what it is at AWS | calls |", "|---|---|---|", *rows))


def _of_operations(kinds: Sequence[Kind[Any]]) -> Iterable[str]:
    return (
        "## Bulk operations",
        "",
        f"Every row carries {_code(IDENTITY)}, so that any two join on them.",
        "All are gauges: the figures are AWS's and vanish with the operation.",
        "A count that AWS did not send has no row; it is never shown as 0.",
        "",
        metrics_table(kinds),
        "",
        "The statuses, in AWS's spelling; `Unknown` stands for one that AWS adds later:",
        "",
        *(f"- `{kind.name}`: {_code(kind.statuses)}" for kind in kinds),
    )


def _of_the_exporter() -> Iterable[str]:
    return (
        "## The exporter itself",
        "",
        f"Where the labels say `cell`, a row carries {_code(CELL)}:",
        "one kind in one Region of a configured account.",
        f"A `reason` is one of {_code(Reason)}.",
        "",
        *_typed_rows(_own_registry()),
    )


def _of_a_probe() -> Iterable[str]:
    return (
        "## A probe",
        "",
        "/probe answers with the rows of one operation, and with these:",
        "",
        *_typed_rows(_probe_registry()),
    )


def _labels(metric: Metric[Any]) -> str:
    return _code(metric.labels) + (", `tag_*`" if metric.name.endswith("_info") else "")


def _typed_rows(registry: CollectorRegistry) -> list[str]:
    return _rows((name, labels, f"{help} ({type})") for name, type, labels, help in _own_lines(registry))


def _own_lines(registry: CollectorRegistry) -> Iterable[Line]:
    suffix = {"counter": "_total", "info": "_info"}
    for family in registry.collect():
        labels = [label for label in family.samples[0].labels if label != "le"]
        own = [label for label in labels if label not in CELL] if set(CELL) <= set(labels) else labels
        cell = "cell" if set(CELL) <= set(labels) else ""
        said = ", ".join(part for part in (cell, _code(own)) if part)
        yield family.name + suffix.get(family.type, ""), family.type, said, family.documentation


def _own_registry() -> CollectorRegistry:
    """A registry in which every family has a sample, so that it shows its labels."""
    registry = new_registry(Shard())
    api = ApiMetrics(registry)
    api.requests.labels("", "", "", "")
    api.errors.labels("", "", "", "", "")
    api.duration.labels("", "")
    failing = Snapshot(CellKey("", "", ""), Scope("", "", ""), reasons=frozenset({Reason.OTHER}), duration=0.0)
    store = Store((failing,))
    registry.register(BudgetCollector(store, lambda: {("", "", "", ""): 0.0}))
    registry.register(CellCollector(store))
    ConfigMetrics(registry)
    registry.register(StateCollector(lambda: True, lambda: 0))
    return registry


def _probe_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ProbeCollector([Reason.OTHER], 0.0))
    return registry


def _rows(lines: Iterable[tuple[str, str, str]]) -> list[str]:
    body = [f"| `{name}` | {labels} | {help} |" for name, labels, help in lines]
    return ["| metric | labels | what it says |", "|---|---|---|", *body]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
