"""The text of a scrape: the lines of an operation are rendered once, and a scrape joins them.

Gauges have the same lines in Prometheus text 0.0.4 and OpenMetrics 1.0. Only the headers of the families differ.
Formats: https://prometheus.io/docs/instrumenting/exposition_formats/
JSON can contain half a surrogate pair, which UTF-8 cannot encode. It becomes a question mark.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.utils import floatToGoString

from exporter.core.model import CellKey, Operation, Reading, Snapshot
from exporter.core.store import without_duplicates
from exporter.kinds.metric import IDENTITY, Metric
from exporter.metrics.families import Table

_number: Callable[[float], str] = floatToGoString

# The lines of each metric of a kind's table, in the order of the table.
Lines = tuple[bytes, ...]


@dataclass(slots=True)
class _RenderedCell:
    """The lines of a cell by metric, and the lines of each reading, which the next snapshot can use again."""

    snapshot: Snapshot
    lines: Mapping[str, bytes]
    readings: Mapping[str, tuple[Reading[Operation], Lines]]


class Exposition:
    """Renders the operations of snapshots. Lines are kept while their reading is unchanged.

    Its methods are thread-safe. If several scrapes arrive together, one of them renders new lines for all.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._renderers = {kind: tuple(map(_Renderer, table)) for kind, table in tables.items()}
        self._families: dict[str, Metric[Any]] = {}
        for table in tables.values():
            self._families.update((metric.name, metric) for metric in table)
        self._kept: Mapping[CellKey, _RenderedCell] = {}
        self._lock = threading.Lock()

    def render(self, snapshots: Iterable[Snapshot], openmetrics: bool = False) -> bytes:
        """Return the families of all operations, without an end marker. A family without samples is left out."""
        return b"".join(self.parts(snapshots, openmetrics))

    def parts(self, snapshots: Iterable[Snapshot], openmetrics: bool = False) -> list[bytes]:
        """Return the text in parts, without a copy: the exposition keeps the same parts for later scrapes."""
        with self._lock:
            cells = [self._rendered(snapshot) for snapshot in without_duplicates(snapshots)]
            # This removes old cells: an exposition can serve several configurations.
            self._kept = {cell.snapshot.key: cell for cell in cells}
        parts: list[bytes] = []
        for name, metric in self._families.items():
            body = [cell.lines[name] for cell in cells if cell.lines.get(name)]
            if body:
                parts += [_header(metric, openmetrics), *body]
        return parts

    def _rendered(self, snapshot: Snapshot) -> _RenderedCell:
        kept = self._kept.get(snapshot.key)
        return kept if kept and kept.snapshot is snapshot else self._render(snapshot, kept)

    def _render(self, snapshot: Snapshot, previous: _RenderedCell | None) -> _RenderedCell:
        table, renderers = self._tables[snapshot.key.kind], self._renderers[snapshot.key.kind]
        known = previous.readings if previous and previous.snapshot.scope == snapshot.scope else {}
        readings: dict[str, tuple[Reading[Operation], Lines]] = {}
        for reading in snapshot.readings:
            kept = known.get(reading.operation.id)
            if kept is None or kept[0] is not reading:
                labels = tuple(map(_escape, identity(snapshot, reading)))
                kept = (reading, tuple(renderer(labels, reading) for renderer in renderers))
            readings[reading.operation.id] = kept
        columns = zip(*(lines for _, lines in readings.values()), strict=True) if readings else ()
        lines = {metric.name: b"".join(column) for metric, column in zip(table, columns, strict=False)}
        return _RenderedCell(snapshot, lines, readings)


def identity(snapshot: Snapshot, reading: Reading[Operation]) -> tuple[str, ...]:
    """Return the values of the labels that every series of an operation has, in the order of ``IDENTITY``."""
    return (snapshot.scope.account_id, snapshot.scope.region, snapshot.key.kind, reading.operation.id)


class _Renderer:
    """Renders the lines of one metric. The parts that are the same in all lines are prepared once."""

    def __init__(self, metric: Metric[Any]) -> None:
        names = (*IDENTITY, *metric.labels)
        self._read = metric.read
        self._order = sorted(range(len(names)), key=names.__getitem__)
        labels = ",".join(f'{names[index]}="%s"' for index in self._order)
        self._line = f"{metric.name}{{{labels}}} %s\n"

    def __call__(self, known: tuple[str, ...], reading: Reading[Operation]) -> bytes:
        lines: list[str] = []
        for extra, value in self._read(reading):
            values = (*known, *map(_escape, extra))
            lines.append(self._line % (*[values[index] for index in self._order], _number(value)))
        return "".join(lines).encode(errors="replace")


def _header(metric: Metric[Any], openmetrics: bool) -> bytes:
    help = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        help = help.replace('"', '\\"')
    return f"# HELP {metric.name} {help}\n# TYPE {metric.name} gauge\n".encode()


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
