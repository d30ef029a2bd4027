"""The screen of a watch in a terminal: the operations, and the cells that cannot be read. It fits the terminal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from rich.cells import cell_len
from rich.text import Text

from exporter.core.clock import rfc3339
from exporter.core.log import printable
from exporter.kinds.phase import Phase
from exporter.metrics.summary import CellLine, OperationLine

BAR_WIDTH = 16
GAP = 2
# An operation gets at least so many columns, and the wanted number before optional columns are shown.
MIN_OPERATION_WIDTH, WANTED_OPERATION_WIDTH = 10, 32
ELLIPSIS = "…"
# A status that is longer is cut where other columns need the space.
MAX_STATUS_WIDTH = 12
# The summary and the names of the columns.
HEAD_LINES = 2
# The parts of the screen for cells that cannot be read, and for other reasons why operations are missing.
ERROR_SHARE, NOTICE_SHARE = 0.25, 0.15
# Ids that AWS does not know and that a line names. The others are counted.
MAX_UNKNOWN_IDS = 10
MINUTE = 60.0

Justify = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside the operation: its name and its text for an operation at a time in Unix seconds."""

    name: str
    text: Callable[[OperationLine, float], Text]
    justify: Justify = "right"
    max_width: int = 1_000


def screen(
    operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float, width: int, height: int
) -> list[Text]:
    """Return the lines of the screen, each at most ``width`` columns wide, and at most ``height`` of them.

    Operations that need attention are first, then active ones. Below them are the cells that cannot be read. What does
    not fit is counted.
    """
    unread = [cell for cell in cells if cell.reasons]
    errors = [Text(_error_of_width(cell, width), "red") for cell in unread]
    error_lines = _limited(errors, max(1, int(height * ERROR_SHARE)), "more cells cannot be read", "red")
    notices = [Text(notice, "yellow") for cell in cells for notice in notice_texts(cell)]
    error_lines += _limited(notices, max(1, int(height * NOTICE_SHARE)), "more notices", "yellow")
    ordered = sorted(operations, key=lambda operation: (operation.rank, not operation.active))
    shown = _shown(ordered, max(1, height - HEAD_LINES - len(error_lines)))
    lines = [
        _summary(operations, len(unread), now, width),
        *_table(shown, now, width),
        *_remaining(len(ordered) - len(shown)),
        *error_lines,
    ]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def error_text(cell: CellLine) -> str:
    """Return which cell cannot be read and why, or an empty text."""
    if not cell.reasons:
        return ""
    return printable(f"{' '.join(cell_labels(cell))}: cannot be read: {'; '.join(cell.causes)}")


def notice_texts(cell: CellLine) -> Iterator[str]:
    """Yield why operations of a cell are missing although it can be read."""
    labels = " ".join(cell_labels(cell))
    if cell.unknown_ids:
        more = len(cell.unknown_ids) - MAX_UNKNOWN_IDS
        shown = ", ".join(cell.unknown_ids[:MAX_UNKNOWN_IDS])
        yield printable(f"{labels}: AWS does not know {shown}" + (f" and {more} more" if more > 0 else ""))
    if cell.active_omitted:
        yield printable(f"{labels}: {cell.active_omitted} active operations are beyond max_operations and not shown")


def cell_labels(line: OperationLine | CellLine) -> tuple[str, str, str]:
    """Return the account, the Region and the kind of a line."""
    return (line.account, line.region, line.kind)


def status_text(operation: OperationLine) -> str:
    """Return the status, and whether the operation has no end."""
    return f"{operation.status} (continuous)" if operation.continuous else operation.status


def percent(ratio: float) -> str:
    """Return whole percents, rounded down, so that only a complete operation shows 100 %."""
    return f"{int(ratio * 100 + 1e-9)}%"


def failures_text(operation: OperationLine) -> str:
    """Return the number of failed items, or its range if retries make it uncertain."""
    if operation.failed is None:
        return ""
    most = operation.failed + operation.possibly_failed
    return str(operation.failed) if most == operation.failed else f"{operation.failed} to {most}"


def _limited(lines: list[Text], limit: int, noun: str, style: str) -> list[Text]:
    """Return the lines. If there are too many, the last line counts the others."""
    if len(lines) <= limit:
        return lines
    return [*lines[: limit - 1], Text(f"{len(lines) - limit + 1} {noun}", style)]


def _error_of_width(cell: CellLine, width: int) -> str:
    """Return the longest text that fits: the cause in words, or only the reason."""
    labels, reasons = " ".join(cell_labels(cell)), ", ".join(cell.reasons)
    shortest = f"{reasons}: {cell.region} {cell.kind}"
    texts = [error_text(cell), f"{labels}: {'; '.join(cell.causes)}", f"{labels}: {reasons}", shortest]
    return next((text for text in map(printable, texts) if cell_len(text) <= width), printable(shortest))


def _summary(operations: Sequence[OperationLine], unread: int, now: float, width: int) -> Text:
    urgent = sum(operation.needs_attention for operation in operations)
    for noun, cells in (("operations ", "cells cannot be read"), ("", "unreadable")):
        summary = Text(f"{urgent} of {len(operations)} {noun}need attention", "bold red" if urgent else "bold")
        if unread:
            summary.append(f", {unread} {cells}", "bold red")
        summary.append(f"  {_clock(now)}", "dim")
        if summary.cell_len <= width:
            break
    return summary


def _shown(operations: Sequence[OperationLine], capacity: int) -> list[OperationLine]:
    """Return the operations that fit, with a line for each of their cells, and one that counts the others."""
    shown: list[OperationLine] = []
    headings: set[tuple[str, str, str]] = set()
    for number, operation in enumerate(operations):
        is_last = number == len(operations) - 1
        with_this = len(shown) + 1 + len(headings | {cell_labels(operation)})
        if with_this + (not is_last) > capacity:
            break
        headings.add(cell_labels(operation))
        shown.append(operation)
    return shown


def _remaining(number: int) -> list[Text]:
    return [Text(f"and {number} more", "dim")] if number else []


def _table(operations: Sequence[OperationLine], now: float, width: int) -> Iterator[Text]:
    """Yield the names of the columns, and for each cell its labels and the rows of its operations."""
    columns, operation_width = _layout(operations, now, width)
    widths = [_width(column, operations, now) for column in columns]
    names = [Text(column.name, "bold") for column in columns]
    yield _row(Text("operation", "bold"), names, columns, operation_width, widths)
    groups: dict[tuple[str, str, str], list[OperationLine]] = {}
    for operation in operations:
        groups.setdefault(cell_labels(operation), []).append(operation)
    for labels, rows in groups.items():
        yield Text(printable(" ".join(labels)), "dim italic")
        for operation in rows:
            texts = [column.text(operation, now) for column in columns]
            yield _row(_operation_text(operation), texts, columns, operation_width, widths)


def _layout(operations: Sequence[OperationLine], now: float, width: int) -> tuple[list[Column], int]:
    """Return the columns that fit, in their order, and the width of the operation."""
    natural = max((_operation_text(operation).cell_len for operation in operations), default=0)
    wanted = max(MIN_OPERATION_WIDTH, min(natural, WANTED_OPERATION_WIDTH))
    chosen = set(_REQUIRED)
    used = sum(_width(column, operations, now) + GAP for column in chosen)
    for column in _OPTIONAL:
        needed = _width(column, operations, now) + GAP
        has_content = any(column.text(operation, now).plain for operation in operations)
        if has_content and used + needed + wanted <= width:
            chosen.add(column)
            used += needed
    # The rest of the width shows the whole status.
    missing = _width(_STATUS, operations, now) - _width(_SHORT_STATUS, operations, now)
    if used + missing + wanted <= width:
        chosen = (chosen - {_SHORT_STATUS}) | {_STATUS}
        used += missing
    columns = [column for column in _ORDER if column in chosen]
    return columns, max(MIN_OPERATION_WIDTH, min(max(natural, wanted), width - used))


def _width(column: Column, operations: Sequence[OperationLine], now: float) -> int:
    widths = (column.text(operation, now).cell_len for operation in operations)
    return min(column.max_width, max((cell_len(column.name), *widths)))


def _row(operation: Text, texts: Sequence[Text], columns: Sequence[Column], width: int, widths: Sequence[int]) -> Text:
    line = _cut_in_the_middle(operation, width)
    line.align("left", width)
    for column, text, column_width in zip(columns, texts, widths, strict=True):
        line.append(" " * GAP).append_text(_fitted(text, column_width, column.justify))
    return line


def _fitted(text: Text, width: int, justify: Justify) -> Text:
    text = text.copy()
    text.truncate(width, overflow="ellipsis")
    text.align(justify, width)
    return text


def _cut_in_the_middle(text: Text, width: int) -> Text:
    """Return a text of at most ``width`` columns. Ids often differ only at their ends."""
    if text.cell_len <= width:
        return text.copy()
    kept = max(0, width - 1)
    end = kept // 2
    return text[: kept - end] + Text(ELLIPSIS) + (text[len(text) - end :] if end else Text(""))


def _operation_text(operation: OperationLine) -> Text:
    """Return the name, if there is one, and the id."""
    name = Text(printable(operation.name) + " " if operation.name else "")
    return name.append(printable(operation.id), "dim" if operation.name else "")


def _status(operation: OperationLine) -> Text:
    return Text(printable(status_text(operation)), _color(operation))


def _color(operation: OperationLine) -> str:
    if operation.active:
        return ""
    is_bad = operation.phase in (Phase.FAILED, Phase.STOPPED) or operation.failed or operation.possibly_failed
    return "red" if is_bad else "green" if operation.phase is Phase.COMPLETED else ""


def _bar(operation: OperationLine) -> Text:
    if operation.progress is None:
        return Text("")
    halves = int(operation.progress * BAR_WIDTH * 2)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return Text(done, "cyan").append("━" * (BAR_WIDTH - len(done)), "dim")


def _number(number: int | None) -> Text:
    return Text("" if number is None else str(number))


def _clock(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def _local_time(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%a %H:%M")


def iso_time(at: float) -> str:
    """Return Unix seconds as a time of RFC 3339 in UTC, without fractions."""
    return rfc3339(datetime.fromtimestamp(at, UTC))


_BAR = Column("", lambda row, now: _bar(row), "left")
_DONE = Column("done", lambda row, now: Text("" if row.progress is None else percent(row.progress)))
_STATUS = Column("status", lambda row, now: _status(row), "left")
_SHORT_STATUS = replace(_STATUS, max_width=MAX_STATUS_WIDTH)
_SUCCEEDED = Column("succeeded", lambda row, now: _number(row.succeeded))
_FAILED = Column("failed", lambda row, now: Text(failures_text(row), "bold red" if row.failed else ""))
_REASON = Column("why", lambda row, now: Text(printable(row.reason), "red"), "left")
_RATE = Column("per minute", lambda row, now: Text("" if row.rate is None else f"{row.rate * MINUTE:.1%}"))
_ENDS = Column("ends", lambda row, now: Text(_local_time(row.estimated_end)))
_AGE = Column("age", lambda row, now: Text(f"{max(0.0, now - row.read):.0f}s", "dim"))
_REQUIRED = (_DONE, _SHORT_STATUS, _FAILED)
# The most important column is first.
_OPTIONAL = (_REASON, _SUCCEEDED, _ENDS, _AGE, _BAR, _RATE)
_ORDER = (_BAR, _DONE, _STATUS, _SHORT_STATUS, _SUCCEEDED, _FAILED, _REASON, _RATE, _ENDS, _AGE)
