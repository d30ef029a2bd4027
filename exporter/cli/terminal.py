"""The output of a watch: a live table in a terminal, and a line for each change otherwise."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exporter.core.log import printable
from exporter.kinds.phase import Phase
from exporter.metrics.summary import CellLine, OperationLine

BAR_WIDTH = 16
# A longer id is wrapped, so that it can be copied and no number is cut.
MIN_ID_WIDTH = 8
# The header, the line with the number of hidden operations, and the line of the cursor.
RESERVED_LINES = 4
# Ids that AWS does not know and that a line names. The others are counted.
MAX_UNKNOWN_IDS = 10
MINUTE = 60.0


# Displays the current operations and cells of a watch at a time in Unix seconds.
View = Callable[[Sequence[OperationLine], Sequence[CellLine], float], None]


@contextmanager
def new_view(stream: TextIO, terminal_type: str) -> Iterator[View]:
    """Give the view for a stream: in a terminal, a table that is updated in place until the block ends.

    ``terminal_type`` is the environment variable TERM.
    """
    if not stream.isatty() or terminal_type in ("", "dumb"):
        yield plain_view(stream)
        return
    console = Console(file=stream, force_terminal=True, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda operations, cells, now: live.update(
            watch_display(operations, cells, now, console.size), refresh=True
        )


def plain_view(stream: TextIO) -> View:
    """Return a view that prints a line for each change."""
    messages: dict[tuple[str, ...], str] = {}

    def print_change(labels: tuple[str, ...], message: str, now: float, topic: str = "") -> None:
        key = (*labels, topic) if topic else labels
        if messages.get(key) != message:
            messages[key] = message
            at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            print(printable(f"{at} {' '.join(labels)}: {message}"), file=stream, flush=True)

    def view(operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        for operation in operations:
            print_change((*_cell_labels(operation), operation.id), _progress_message(operation), now)
        for cell in cells:
            if cell.reasons or _cell_labels(cell) in messages:
                print_change(_cell_labels(cell), _error(cell) or "can be read again", now)
            for notice in _notices(cell):
                print_change(_cell_labels(cell), notice, now, topic=notice)

    return view


def watch_display(
    operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float, size: tuple[int, int]
) -> RenderableType:
    """Return the table of operations, active ones first, and below it what is missing from it, by cell.

    ``size`` is the width and height of the terminal. Operations that do not fit are counted in an extra line.
    """
    width, height = size
    messages = [(cell, _error(cell), "red") for cell in cells if cell.reasons]
    messages += [(cell, notice, "yellow") for cell in cells for notice in _notices(cell)]
    footer = [Text(printable(f"{' '.join(_cell_labels(cell))}: {text}"), color) for cell, text, color in messages]
    capacity = max(1, height - RESERVED_LINES - len(footer))
    rows = sorted(operations, key=lambda operation: not operation.active)
    hidden = [Text(f"and {len(rows) - capacity} more", "dim")] if len(rows) > capacity else []
    return Group(_table(rows[:capacity], now, width), *hidden, *footer)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column beside the ids, and the terminal width that it needs."""

    name: str
    cell: Callable[[OperationLine, float], RenderableType]
    terminal_width: int = 0
    justify: JustifyMethod = "right"


def _table(rows: Sequence[OperationLine], now: float, width: int) -> Table:
    scopes = {_cell_labels(row)[:2] for row in rows}
    scope_columns = [_SCOPE] if len(scopes) > 1 else []
    remaining = width - max(len(" ".join(scope)) for scope in scopes) if scope_columns else width
    columns = [*scope_columns, *(column for column in _COLUMNS if column.terminal_width <= remaining)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operation", overflow="fold", min_width=MIN_ID_WIDTH)
    for column in columns:
        table.add_column(column.name, justify=column.justify, no_wrap=True)
    for row in rows:
        table.add_row(Text(printable(row.id)), *(column.cell(row, now) for column in columns))
    return table


_SCOPE = _Column("scope", lambda row, now: Text(printable(f"{row.account} {row.region}"), "dim"), justify="left")
_COLUMNS = (
    _Column("", lambda row, now: _bar(row.progress), 90, "left"),
    _Column("done", lambda row, now: Text("" if row.progress is None else _percent(row.progress))),
    _Column("status", lambda row, now: Text(printable(_status(row)), _color(row)), justify="left"),
    _Column("succeeded", lambda row, now: Text(_number(row.succeeded))),
    _Column("failed", lambda row, now: Text(_failures(row), "bold red" if row.failed else "")),
    _Column("per minute", lambda row, now: Text("" if row.rate is None else f"{row.rate * MINUTE:.1%}"), 100),
    _Column("ends", lambda row, now: Text(_local_time(row.estimated_end)), 80),
    _Column("age", lambda row, now: Text(f"{max(0.0, now - row.read):.0f}s", "dim"), 80),
)


def _bar(progress: float | None) -> RenderableType:
    return Text("") if progress is None else ProgressBar(total=1.0, completed=progress, width=BAR_WIDTH)


def _color(row: OperationLine) -> str:
    if row.active:
        return ""
    is_bad = row.phase in (Phase.FAILED, Phase.STOPPED) or row.failed
    return "red" if is_bad else "green" if row.phase is Phase.COMPLETED else ""


def _progress_message(operation: OperationLine) -> str:
    """Return the status and the counts. The age and the estimated end change too often for a log."""
    progress = [_percent(operation.progress)] if operation.progress is not None else []
    succeeded = [f"{operation.succeeded} succeeded"] if operation.succeeded is not None else []
    failed = [f"{_failures(operation)} failed"] if operation.failed is not None else []
    return ", ".join([_status(operation), *progress, *succeeded, *failed])


def _status(operation: OperationLine) -> str:
    return f"{operation.status} (continuous)" if operation.continuous else operation.status


def _error(cell: CellLine) -> str:
    return f"cannot be read: {'; '.join(cell.causes)}" if cell.reasons else ""


def _notices(cell: CellLine) -> Iterator[str]:
    """Yield why operations of a cell are missing although it can be read."""
    if cell.unknown_ids:
        more = len(cell.unknown_ids) - MAX_UNKNOWN_IDS
        shown = ", ".join(cell.unknown_ids[:MAX_UNKNOWN_IDS])
        yield f"AWS does not know {shown} and {more} more" if more > 0 else f"AWS does not know {shown}"
    if cell.active_omitted:
        yield f"{cell.active_omitted} active operations are beyond max_operations and not shown"


def _cell_labels(line: OperationLine | CellLine) -> tuple[str, ...]:
    return (line.account, line.region, line.kind)


def _percent(progress: float) -> str:
    """Return whole percents, rounded down, so that only a complete operation shows 100 %."""
    return f"{int(progress * 100 + 1e-9)}%"


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def _failures(operation: OperationLine) -> str:
    """Return the number of failed items, or its range if retries make it uncertain."""
    if operation.failed is None or not operation.possibly_failed:
        return _number(operation.failed)
    return f"{operation.failed} to {operation.failed + operation.possibly_failed}"


def _local_time(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%a %H:%M")
