"""What lies at the path of the state file: ours, nothing, or something that must not be touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from exporter.core.errors import ExporterError

APPLICATION = 0x41496F54
"""``AIoT``: what SQLite's header says of who made a file."""
MAGIC = b"SQLite format 3\0"
HEADER = 100
PRIVATE = 0o600


class StateError(ExporterError):
    """The state file cannot be used now; it may be later."""


class DamagedError(StateError):
    """The file is ours, and nothing can be done with it but to begin it anew."""


def has_content(path: Path) -> bool:
    """Tell whether a state file is there and not empty.

    Raises DamagedError where it is ours and cannot be read, and StateError where it cannot be, or is not ours.
    """
    head = _head(path)
    if head and not (head.startswith(MAGIC) and head[68:72] == APPLICATION.to_bytes(4, "big")):
        raise StateError("is no state file: name another path, or remove it")
    if head and head[18:20] != b"\1\1":
        raise DamagedError("its header is damaged")
    return bool(head)


def _head(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise StateError("is no regular file")
        with path.open("rb") as file:
            return file.read(HEADER)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StateError(error.strerror or "cannot be used") from None


def make(path: Path) -> None:
    """See to it that there is a file that can be written, for nobody else to read. Raises StateError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
    except OSError as error:
        raise StateError(error.strerror or "cannot be used") from None


def remove(path: Path) -> None:
    """Remove the file and what SQLite left beside it. Raises StateError."""
    try:
        # In this order: a journal alone is nothing, a file without its journal may be half a transaction.
        path.unlink(missing_ok=True)
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
    except OSError as error:
        raise StateError(error.strerror or "cannot be used") from None
