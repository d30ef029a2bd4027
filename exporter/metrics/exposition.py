"""Snapshots and the metric table become text: an operation's lines are rendered once, a scrape joins them.

Prometheus text 0.0.4 and OpenMetrics 1.0 write gauges alike, so both share the lines and differ in the headers.
Formats: https://prometheus.io/docs/instrumenting/exposition_formats/
JSON can hold halves of surrogate pairs, which UTF-8 cannot: each becomes a question mark.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.utils import floatToGoString

from exporter.core.model import CellKey, Operation, Reading, Snapshot
from exporter.core.store import without_twins
from exporter.kinds.metric import IDENTITY, Metric
from exporter.metrics.families import Table

_number: Callable[[float], str] = floatToGoString

Lines = tuple[bytes, ...]
"""The lines of each metric of a kind's table, in the table's order."""


@dataclass(slots=True)
class _Kept:
    """What is kept of a cell: its snapshot's lines, and those of each reading, for the next snapshot to use."""

    snapshot: Snapshot
    lines: Mapping[str, bytes]
    readings: Mapping[str, tuple[Reading[Operation], Lines]]


class Exposition:
    """Renders the operations of snapshots, and keeps lines for as long as what they say is unchanged.

    It may be used from any thread: of those who come at once, one renders what is new, and all share it.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._renderers = {kind: tuple(map(_Renderer, table)) for kind, table in tables.items()}
        self._families: dict[str, Metric[Any]] = {}
        for table in tables.values():
            self._families.update((metric.name, metric) for metric in table)
        self._kept: Mapping[CellKey, _Kept] = {}
        self._lock = threading.Lock()

    def render(self, snapshots: Iterable[Snapshot], openmetrics: bool = False) -> bytes:
        """Return the families of all operations, without an end mark; a family without rows is left out."""
        return b"".join(self.parts(snapshots, openmetrics))

    def parts(self, snapshots: Iterable[Snapshot], openmetrics: bool = False) -> list[bytes]:
        """Return the same in parts, which are those that are kept: no caller holds a text of its own."""
        with self._lock:
            newest = [self._newest(snapshot) for snapshot in without_twins(snapshots)]
            # Cells that are no more are forgotten here: a text goes on over changes of the configuration.
            self._kept = {one.snapshot.key: one for one in newest}
        parts: list[bytes] = []
        for name, metric in self._families.items():
            body = [one.lines[name] for one in newest if one.lines.get(name)]
            if body:
                parts += [_header(metric, openmetrics), *body]
        return parts

    def _newest(self, snapshot: Snapshot) -> _Kept:
        kept = self._kept.get(snapshot.key)
        return kept if kept and kept.snapshot is snapshot else self._render(snapshot, kept)

    def _render(self, snapshot: Snapshot, before: _Kept | None) -> _Kept:
        table, renderers = self._tables[snapshot.key.kind], self._renderers[snapshot.key.kind]
        known = before.readings if before and before.snapshot.scope == snapshot.scope else {}
        readings: dict[str, tuple[Reading[Operation], Lines]] = {}
        for reading in snapshot.readings:
            kept = known.get(reading.operation.id)
            if kept is None or kept[0] is not reading:
                labels = tuple(map(_escape, identity(snapshot, reading)))
                kept = (reading, tuple(renderer(labels, reading) for renderer in renderers))
            readings[reading.operation.id] = kept
        columns = zip(*(lines for _, lines in readings.values()), strict=True) if readings else ()
        lines = {metric.name: b"".join(column) for metric, column in zip(table, columns, strict=False)}
        return _Kept(snapshot, lines, readings)


def identity(snapshot: Snapshot, reading: Reading[Operation]) -> tuple[str, ...]:
    """Return the values of the labels that every row of an operation carries, in the order of ``IDENTITY``."""
    return (snapshot.scope.account_id, snapshot.scope.region, snapshot.key.kind, reading.operation.id)


class _Renderer:
    """The lines of one metric, with everything that is the same in all of them made once."""

    def __init__(self, metric: Metric[Any]) -> None:
        names = (*IDENTITY, *metric.labels)
        self._read = metric.read
        self._order = sorted(range(len(names)), key=names.__getitem__)
        labels = ",".join(f'{names[at]}="%s"' for at in self._order)
        self._line = f"{metric.name}{{{labels}}} %s\n"

    def __call__(self, known: tuple[str, ...], reading: Reading[Operation]) -> bytes:
        lines: list[str] = []
        for extra, value in self._read(reading):
            values = (*known, *map(_escape, extra))
            lines.append(self._line % (*[values[at] for at in self._order], _number(value)))
        return "".join(lines).encode(errors="replace")


def _header(metric: Metric[Any], openmetrics: bool) -> bytes:
    help = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        help = help.replace('"', '\\"')
    return f"# HELP {metric.name} {help}\n# TYPE {metric.name} gauge\n".encode()


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
