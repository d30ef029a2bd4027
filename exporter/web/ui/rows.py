"""Lines as the status page shows them: bars, colours, and times that people read at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exporter.kinds.phase import Phase
from exporter.metrics.summary import CellLine, OperationLine
from exporter.web.time_format import distance, moment

Tone = Literal["active", "good", "warn", "bad", "plain"]
"""What a status amounts to; the page has a colour for each."""

THINNEST = 3.0
"""Percent of a bar that a single failure takes at least, so that it can be seen."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class When:
    """A time: as a distance, for programs, and in full."""

    text: str
    iso: str
    full: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Progress in percent, never rounded up.

    ``well`` and ``badly`` are the widths of its two parts; the second begins at ``start``.
    """

    percent: int
    well: float
    badly: float
    start: float


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation on the page."""

    line: OperationLine
    key: str
    tone: Tone
    bar: Bar | None
    created: When | None
    read: When | None
    end: When | None


@dataclass(frozen=True, slots=True)
class CellRow:
    """One cell on the page."""

    line: CellLine
    key: str
    success: When | None


def operation_row(line: OperationLine, now: float) -> OperationRow:
    """Return the row of an operation at a time in Unix seconds."""
    return OperationRow(
        line=line,
        key=f"{line.account}/{line.region}/{line.kind}/{line.id}",
        tone=_tone(line),
        bar=_bar(line),
        created=when(line.created, now),
        read=when(line.read, now),
        end=when(line.estimated_end, now),
    )


def cell_row(line: CellLine, now: float) -> CellRow:
    """Return the row of a cell at a time in Unix seconds."""
    return CellRow(line, f"{line.account}/{line.region}/{line.kind}", when(line.last_success or None, now))


def when(at: float | None, now: float) -> When | None:
    """Return a time in Unix seconds, None where it is unknown or beyond the calendar."""
    date = moment(at)
    if at is None or date is None:
        return None
    return When(distance(at, now), date.strftime("%Y-%m-%dT%H:%M:%SZ"), date.strftime("%Y-%m-%d %H:%M:%S UTC"))


def _tone(line: OperationLine) -> Tone:
    if line.phase is Phase.FAILED:
        return "bad"
    if line.active:
        return "active"
    if line.needs_attention:
        return "warn"
    return "good" if line.phase is Phase.COMPLETED else "plain"


def _bar(line: OperationLine) -> Bar | None:
    if line.progress is None:
        return None
    percent = 100 * min(1.0, max(0.0, line.progress))
    failed = percent * _failed_share(line)
    well, badly = percent - failed, max(THINNEST, failed) if line.failed else 0.0
    return Bar(int(percent + ROUNDING), round(well, 2), round(badly, 2), round(min(well, 100 - badly), 2))


def _failed_share(line: OperationLine) -> float:
    """Return the share of what is done that failed; nobody can tell where AWS counts no successes."""
    if not line.failed or line.succeeded is None:
        return 0.0
    return line.failed / (line.failed + line.succeeded)
