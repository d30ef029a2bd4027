"""Logs as logfmt or JSON on standard error, each line with time, level and what happened."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from contextlib import suppress
from io import UnsupportedOperation
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
FORMATS = ("logfmt", "json")


class Log(Protocol):
    """What the exporter's parts need of a logger; facts are keywords, the event is a fixed text."""

    def debug(self, event: str, **facts: Any) -> Any: ...
    def info(self, event: str, **facts: Any) -> Any: ...
    def warning(self, event: str, **facts: Any) -> Any: ...
    def error(self, event: str, **facts: Any) -> Any: ...


def new_log(level: str = "info", format: str = "logfmt", stream: TextIO | None = None) -> Log:
    """Return a logger; nothing global is configured."""
    order = ["ts", "level", "msg"]
    renderers: list[Processor] = (
        [structlog.processors.JSONRenderer()]
        if format == "json"
        else [_readable, structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True, bool_as_flag=False)]
    )
    log: Log = structlog.wrap_logger(
        _Lines(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.EventRenamer("msg"),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    return log


class _Lines:
    """Writes lines as long as there is room for them: no scrape waits, and nothing fails, for want of a log.

    A pipe whose reader sleeps would block the whole process, and one whose reader is gone fail whoever logs. Where
    standard error is closed there is no stream.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._is_cut = False

    def msg(self, line: str) -> None:
        """Write a line, or what there is room for of it."""
        if self._stream is None:
            return
        with self._lock, suppress(OSError):
            try:
                number = self._stream.fileno()
            except UnsupportedOperation:
                self._stream.write(line + "\n")
            else:
                self._write(number, f"{line}\n".encode(errors="backslashreplace"))

    debug = info = warning = error = msg

    def _write(self, number: int, line: bytes) -> None:
        rest = b"\n" + line if self._is_cut else line
        while rest and _has_room(number):
            written = os.write(number, rest[: select.PIPE_BUF])
            rest = rest[written:]
            self._is_cut = rest != b""


def _has_room(number: int) -> bool:
    """Tell whether so much can be written at once as a pipe takes in one piece; a file takes anything."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(0))


def _readable(logger: Any, method: str, facts: EventDict) -> EventDict:
    """Escape what a terminal or a log reader could take for more than text; the renderer escapes line ends."""
    return {key: printable(value, but="\n") if isinstance(value, str) else value for key, value in facts.items()}


def printable(text: str, but: str = "") -> str:
    """Return a text with everything escaped that a terminal could take for a command; ``but`` names exceptions."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in but else ascii(one)[1:-1] for one in text)


def pass_on_libraries(log: Log) -> None:
    """Let what libraries log as warnings come out in the exporter's form, for the whole process.

    What botocore warns of comes back to its caller as an error, and is told there.
    """
    logging.getLogger().addHandler(LibraryHandler(log))
    logging.getLogger("botocore").setLevel(logging.ERROR)


class LibraryHandler(logging.Handler):
    """Passes on what libraries log, without their arguments and tracebacks, which may name roles and tokens."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log the library's name and, where an exception is attached, its type and where it was raised."""
        facts: dict[str, Any] = {"library": record.name, "where": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[0]:
            facts["error"] = record.exc_info[0].__name__
        self._log.warning("a library reports a problem", **facts)
