"""Logs in logfmt or JSON on standard error. Each line has a time, a level, a message and facts."""

import json
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import UnsupportedOperation
from typing import Any, Protocol, TextIO

from exporter.core.clock import rfc3339

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
FORMATS = ("logfmt", "json")


class Log(Protocol):
    """A logger. The event is a fixed text, facts are keyword arguments."""

    def debug(self, event: str, **facts: Any) -> Any: ...
    def info(self, event: str, **facts: Any) -> Any: ...
    def warning(self, event: str, **facts: Any) -> Any: ...
    def error(self, event: str, **facts: Any) -> Any: ...


def new_log(level: str = "info", format: str = "logfmt", stream: TextIO | None = None) -> Log:
    """Return a logger, without any global configuration."""
    lines = _Lines(stream or sys.stderr)
    return _Logger(lines.write, _json_line if format == "json" else _logfmt_line, LEVELS[level])


class _Logger:
    """Writes each event of a sufficient level with its time and its facts as one line."""

    def __init__(self, write: Callable[[str], None], line: Callable[[Mapping[str, Any]], str], level: int) -> None:
        self._write = write
        self._line = line
        self._level = level

    def debug(self, event: str, **facts: Any) -> None:
        self._log("debug", logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._log("info", logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._log("warn", logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._log("error", logging.ERROR, event, facts)

    def _log(self, name: str, level: int, event: str, facts: Mapping[str, Any]) -> None:
        if level >= self._level:
            now = rfc3339(datetime.now(UTC), "microseconds")
            self._write(self._line({"ts": now, "level": name, "msg": event, **facts}))


def _json_line(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, default=repr)


def _logfmt_line(facts: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_logfmt_value(value)}" for name, value in facts.items())


def _logfmt_value(value: object) -> str:
    """Return a value in logfmt, with quotation marks if it contains a character that could end it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = printable(str(value), keep="\n")
    is_quoted = any(char in text for char in ' ="')
    if is_quoted:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    text = text.replace("\n", "\\n")
    return f'"{text}"' if is_quoted else text


class _Lines:
    """Writes lines without blocking, and drops what cannot be written: a log must not delay or fail a scrape.

    A full pipe would block the process, and a broken one would raise an error in the caller. There is no stream if
    standard error is closed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._has_cut_line = False

    def write(self, line: str) -> None:
        """Write a line, or the part of it that can be written at once."""
        if self._stream is None:
            return
        with self._lock, suppress(OSError):
            try:
                descriptor = self._stream.fileno()
            except UnsupportedOperation:
                self._stream.write(line + "\n")
            else:
                self._write(descriptor, f"{line}\n".encode(errors="backslashreplace"))

    def _write(self, descriptor: int, line: bytes) -> None:
        rest = b"\n" + line if self._has_cut_line else line
        while rest and _is_writable(descriptor):
            written = os.write(descriptor, rest[: select.PIPE_BUF])
            rest = rest[written:]
            self._has_cut_line = rest != b""


def _is_writable(descriptor: int) -> bool:
    """Return whether ``PIPE_BUF`` bytes can be written without blocking."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def printable(text: str, keep: str = "") -> str:
    """Return a text with unprintable characters escaped, except those in ``keep``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in text)


def shortened(text: object, length: int = 120) -> str:
    """Return a printable text in one line, cut to the length with an ellipsis."""
    shown = printable(str(text)[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 3]}..."


def log_library_warnings(log: Log) -> None:
    """Send warnings of all libraries to the log, for the whole process.

    Warnings of botocore are left out: botocore also raises an error, which its caller logs.
    """
    logging.getLogger().addHandler(LibraryHandler(log))
    logging.getLogger("botocore").setLevel(logging.ERROR)


class LibraryHandler(logging.Handler):
    """Logs the warnings of libraries without arguments and tracebacks, which may contain roles and tokens."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log the name of the library, the place of the call, and the type of the exception, if any."""
        facts: dict[str, Any] = {"library": record.name, "where": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[0]:
            facts["error"] = record.exc_info[0].__name__
        self._log.warning("warning of a library", **facts)
