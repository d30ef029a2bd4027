"""The output of a watch: a screen in a terminal, a line for each change, or JSON lines."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol, Self, TextIO

from pydantic import TypeAdapter
from rich.console import Console, Group
from rich.live import Live

from exporter.cli.exit_status import ExitStatus
from exporter.cli.watch_result import FailureReasons, WatchedOperation, WatchResult
from exporter.cli.watch_table import (
    cell_labels,
    error_text,
    failures_text,
    iso_time,
    notice_texts,
    percent,
    screen,
    status_text,
)
from exporter.cli.words import quantity
from exporter.core.log import printable
from exporter.kinds.phase import Outcome
from exporter.metrics.summary import CellLine, OperationLine

# The last line of a text names at most this many operations.
NAMED_OPERATIONS = 5
# The adverbs and states of the last line, the worst outcome first.
WORDS = {
    Outcome.FAILED: "failed",
    Outcome.PENDING: "not ended",
    Outcome.UNDECIDED: "undecided: things may have failed after retries",
    Outcome.SUCCEEDED: "succeeded",
}


# Shows the current operations and cells at a time in Unix seconds.
Show = Callable[[Sequence[OperationLine], Sequence[CellLine], float], None]


class Output(Protocol):
    """The output of a watch. ``now`` is in Unix seconds."""

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Show the current operations and cells."""

    def finish(self, result: WatchResult, now: float) -> None:
        """Show how the operations ended."""


@contextmanager
def new_output(stream: TextIO, terminal_type: str, format: str) -> Iterator[Output]:
    """Give the output for a stream. In a terminal, it uses the whole screen until the block ends.

    ``terminal_type`` is the environment variable TERM. ``format`` is ``text`` or ``json``.
    """
    if format == "json":
        yield JsonLines(stream)
    elif not stream.isatty() or terminal_type in ("", "dumb"):
        yield TextLines(stream)
    else:
        with Terminal(stream) as terminal:
            yield terminal


class Terminal:
    """A screen that is updated in place. Resizing leaves nothing behind, because the screen is an alternate one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, force_terminal=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, screen=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Draw the screen again, in the current size of the terminal."""
        width, height = self._console.size
        self._live.update(Group(*screen(operations, cells, now, width, height)), refresh=True)

    def finish(self, result: WatchResult, now: float) -> None:
        """Leave the alternate screen, and print the result."""
        self._live.stop()
        _print_lines(result_lines(result), self._stream)


class TextLines:
    """A line for each change, and one for the result."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._changes = _Changes()

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Print a line for each operation and cell that has changed."""
        for operation in operations:
            labels = (*cell_labels(operation), operation.id)
            if self._changes.is_new(labels, progress_text(operation)):
                _print_lines([f"{iso_time(now)} {' '.join(labels)}: {progress_text(operation)}"], self._stream)
        for cell in cells:
            for notice in notice_texts(cell):
                if self._changes.is_new((*cell_labels(cell), notice), notice):
                    _print_lines([f"{iso_time(now)} {notice}"], self._stream)
        for cell in self._changes.changed_cells(cells):
            error = error_text(cell) or f"{' '.join(cell_labels(cell))}: can be read again"
            _print_lines([f"{iso_time(now)} {error}"], self._stream)

    def finish(self, result: WatchResult, now: float) -> None:
        """Print the result."""
        _print_lines(result_lines(result), self._stream)


class JsonLines:
    """A JSON object for each change, and one for the result as the last line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._changes = _Changes()

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        """Print an object for each operation and cell that has changed."""
        for operation in operations:
            if self._changes.is_new((*cell_labels(operation), operation.id), progress_text(operation)):
                self._print("operation", now, line_json(operation))
        for cell in cells:
            state = f"{error_text(cell)} {' '.join(notice_texts(cell))}".strip()
            if self._changes.is_new(cell_labels(cell), state, initial=""):
                self._print("cell", now, line_json(cell))

    def finish(self, result: WatchResult, now: float) -> None:
        """Print the result."""
        self._print("summary", now, result_json(result))

    def _print(self, type: str, now: float, content: Mapping[str, Any]) -> None:
        # ASCII only, so that no text from AWS controls a terminal.
        print(json.dumps({"type": type, "at": iso_time(now), **content}), file=self._stream, flush=True)


class _Changes:
    """The last texts of operations and cells."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], str] = {}

    def is_new(self, labels: tuple[str, ...], text: str, initial: str | None = None) -> bool:
        """Return whether a text differs from the last one with these labels, or from the initial one."""
        is_new = self._last.get(labels, initial) != text
        self._last[labels] = text
        return is_new

    def changed_cells(self, cells: Sequence[CellLine]) -> Iterator[CellLine]:
        """Yield the cells that cannot be read for a new reason, or can be read again."""
        return (cell for cell in cells if self.is_new(cell_labels(cell), error_text(cell), initial=""))


_OPERATION_JSON, _CELL_JSON = TypeAdapter(OperationLine), TypeAdapter(CellLine)


def line_json(line: OperationLine | CellLine) -> dict[str, Any]:
    """Return a line as the JSON API shows it."""
    adapter: TypeAdapter[Any] = _OPERATION_JSON if isinstance(line, OperationLine) else _CELL_JSON
    return dict(adapter.dump_python(line, mode="json", by_alias=True))


def progress_text(operation: OperationLine) -> str:
    """Return the status and the counts. The age and the estimated end change too often for a log."""
    progress = [percent(operation.progress)] if operation.progress is not None else []
    succeeded = [f"{operation.succeeded} succeeded"] if operation.succeeded is not None else []
    failed = [f"{failures_text(operation)} failed"] if operation.failed is not None else []
    return ", ".join([status_text(operation), *progress, *succeeded, *failed])


def result_lines(result: WatchResult) -> list[str]:
    """Return a line for each cell that cannot be read and each operation that did not succeed, then the summary."""
    cells = [f"cannot be read: {' '.join(cell)}: {'; '.join(causes)}" for cell, causes in _unreadable(result)]
    bad = [operation for outcome in list(WORDS)[:-1] for operation in result.with_outcome(outcome)]
    operations = [f"{WORDS[operation.outcome]}: {operation}" for operation in bad]
    return [*cells, *operations, *_reason_lines(result.reasons), result_summary(result)]


def _reason_lines(reasons: FailureReasons) -> Iterator[str]:
    if reasons.groups:
        items = f" of {quantity(reasons.items, 'item')}" if reasons.items < reasons.failures else ""
        yield f"most frequent reasons of {quantity(reasons.failures, 'failure')}{items}:"
    for group in reasons.groups:
        yield f"  {group.count:,}: {group.reason} ({', '.join(group.examples)})"


def result_summary(result: WatchResult) -> str:
    """Return how many operations succeeded, and the names of some that did not."""
    unreadable = len(result.unreadable)
    cells = f"; {quantity(unreadable, 'cell')} cannot be read" if unreadable else ""
    if not result.operations:
        return f"no operation is {'active' if result.exit_status is ExitStatus.SUCCEEDED else 'known'}{cells}"
    counts = []
    for outcome, word in reversed(WORDS.items()):
        found = result.with_outcome(outcome)
        if found or outcome is Outcome.SUCCEEDED:
            counts.append(f"{len(found):,} {word.partition(':')[0]}{_named(found, outcome)}")
    return f"{quantity(len(result.operations), 'operation')}: {', '.join(counts)}{cells}"


def result_json(result: WatchResult) -> dict[str, Any]:
    """Return the result: the exit status, the number of operations by outcome, and each one that did not succeed."""
    status = result.exit_status
    return {
        "result": status.name.lower() if status is not None else None,
        "exit_status": status,
        "operations": {outcome.value: len(result.with_outcome(outcome)) for outcome in WORDS},
        "not_succeeded": [
            {
                **_cell_json(operation),
                "id": operation.id,
                "outcome": operation.outcome.value,
                "reason": operation.reason,
            }
            for operation in result.operations
            if operation.outcome is not Outcome.SUCCEEDED
        ],
        "reasons": [asdict(group) for group in result.reasons.groups],
        "failures_read": result.reasons.failures,
        "failed_items_read": result.reasons.items,
        "unreadable": [
            {"account": account, "aws_region": region, "kind": kind, "causes": list(causes)}
            for (account, region, kind), causes in _unreadable(result)
        ],
    }


def _cell_json(operation: WatchedOperation) -> dict[str, str]:
    return {"account": operation.cell.account, "aws_region": operation.cell.region, "kind": operation.cell.kind}


def _unreadable(result: WatchResult) -> Iterator[tuple[tuple[str, str, str], tuple[str, ...]]]:
    return (((cell.account, cell.region, cell.kind), causes) for cell, causes in result.unreadable.items())


def _named(operations: Sequence[WatchedOperation], outcome: Outcome) -> str:
    if outcome is Outcome.SUCCEEDED or not operations:
        return ""
    names = [f"{operation.id}: {operation.reason}" for operation in operations[:NAMED_OPERATIONS]]
    more = len(operations) - len(names)
    return f" ({'; '.join(names)}{f'; and {more:,} more' if more else ''})"


def _print_lines(lines: Sequence[str], stream: TextIO) -> None:
    for line in lines:
        print(printable(line), file=stream, flush=True)
