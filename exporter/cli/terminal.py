"""A watch as people see it: a live table in a terminal, and a line for each change anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TextIO

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exporter.core.log import printable
from exporter.kinds.phase import Phase
from exporter.metrics.summary import CellLine, OperationLine

BAR_WIDTH = 16
LEAST_ID_WIDTH = 8
"""A longer id goes on in the next line: it can be copied, and no figure is cut."""
LINES_BESIDE_ROWS = 4
"""The table's head, the line of what is left out, and one for the cursor."""
MINUTE = 60.0


class View(Protocol):
    """Where a watch is shown. Times are in Unix seconds."""

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Show what is known now."""
        ...


@contextmanager
def live_view(stream: TextIO) -> Iterator[View]:
    """Give a table that is drawn in place, until the block ends."""
    console = Console(file=stream, force_terminal=True, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        yield _LiveView(console, live)


@contextmanager
def plain_view(stream: TextIO) -> Iterator[View]:
    """Give a log of changes, one line each."""
    yield _PlainView(lambda line: print(line, file=stream, flush=True))


def view_of(stream: TextIO, kind_of_terminal: str) -> AbstractContextManager[View]:
    """Return the view that suits a stream; ``kind_of_terminal`` is the environment's TERM."""
    if stream.isatty() and kind_of_terminal not in ("", "dumb"):
        return live_view(stream)
    return plain_view(stream)


class _LiveView:
    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Draw the table anew."""
        self._live.update(picture(operations, cells, now, self._console.size), refresh=True)


class _PlainView:
    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._said: dict[tuple[str, ...], str] = {}

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Write a line for each operation and cell that changed."""
        for operation in operations:
            self._say((*_place(operation), operation.id), _sentence(operation), now)
        for cell in cells:
            if cell.reasons or _place(cell) in self._said:
                self._say(_place(cell), _trouble(cell) or "can be read again", now)

    def _say(self, what: tuple[str, ...], said: str, now: float) -> None:
        if self._said.get(what) == said:
            return
        self._said[what] = said
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._write(printable(f"{at} {' '.join(what)}: {said}"))


def picture(
    operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float, size: tuple[int, int]
) -> RenderableType:
    """Return the table of the operations, active ones first, with what could not be read below.

    ``size`` is the terminal's width and height: what does not fit is left out, and told.
    """
    width, height = size
    failing = [f"{' '.join(_place(cell))}: {_trouble(cell)}" for cell in cells if cell.reasons]
    room = max(1, height - LINES_BESIDE_ROWS - len(failing))
    rows = sorted(operations, key=lambda operation: not operation.active)
    left_out = [Text(f"and {len(rows) - room} more", "dim")] if len(rows) > room else []
    return Group(_table(rows[:room], now, width), *left_out, *(Text(printable(one), "red") for one in failing))


@dataclass(frozen=True, slots=True)
class _Column:
    """A column beside the one of ids, and how wide a terminal has to be for it."""

    name: str
    cell: Callable[[OperationLine, float], RenderableType]
    terminal_width: int = 0
    justify: JustifyMethod = "right"


def _table(rows: Sequence[OperationLine], now: float, width: int) -> Table:
    scopes = {_place(row)[:2] for row in rows}
    where = [_WHERE] if len(scopes) > 1 else []
    left = width - max(len(" ".join(scope)) for scope in scopes) if where else width
    columns = [*where, *(column for column in _COLUMNS if column.terminal_width <= left)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operation", overflow="fold", min_width=LEAST_ID_WIDTH)
    for column in columns:
        table.add_column(column.name, justify=column.justify, no_wrap=True)
    for row in rows:
        table.add_row(Text(printable(row.id)), *(column.cell(row, now) for column in columns))
    return table


_WHERE = _Column("where", lambda row, now: Text(printable(f"{row.account} {row.region}"), "dim"), justify="left")
_COLUMNS = (
    _Column("", lambda row, now: _bar(row.progress), 90, "left"),
    _Column("done", lambda row, now: Text("" if row.progress is None else _percent(row.progress))),
    _Column("status", lambda row, now: Text(printable(_status(row)), _colour(row)), justify="left"),
    _Column("succeeded", lambda row, now: Text(_count(row.succeeded))),
    _Column("failed", lambda row, now: Text(_count(row.failed), "bold red" if row.failed else "")),
    _Column("a minute", lambda row, now: Text("" if row.rate is None else f"{row.rate * MINUTE:.1%}"), 100),
    _Column("ends", lambda row, now: Text(_time(row.estimated_end)), 80),
    _Column("age", lambda row, now: Text(f"{max(0.0, now - row.read):.0f}s", "dim"), 80),
)


def _bar(progress: float | None) -> RenderableType:
    return Text("") if progress is None else ProgressBar(total=1.0, completed=progress, width=BAR_WIDTH)


def _colour(row: OperationLine) -> str:
    if row.active:
        return ""
    return "red" if row.needs_attention else "green" if row.phase is Phase.COMPLETED else ""


def _sentence(operation: OperationLine) -> str:
    """What of an operation is worth a line when it changes: neither its age nor when it may end."""
    progress = [_percent(operation.progress)] if operation.progress is not None else []
    succeeded = [f"{operation.succeeded} succeeded"] if operation.succeeded is not None else []
    failed = [f"{operation.failed} failed"] if operation.failed is not None else []
    return ", ".join([_status(operation), *progress, *succeeded, *failed])


def _status(operation: OperationLine) -> str:
    return f"{operation.status} (continuous)" if operation.continuous else operation.status


def _trouble(cell: CellLine) -> str:
    return f"cannot be read: {', '.join(cell.reasons)}" if cell.reasons else ""


def _place(line: OperationLine | CellLine) -> tuple[str, ...]:
    return (line.account, line.region, line.kind)


def _percent(progress: float) -> str:
    """Whole percents, rounded down: 100 % is what is done, not what is nearly done."""
    return f"{int(progress * 100 + 1e-9)}%"


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _time(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%a %H:%M")
