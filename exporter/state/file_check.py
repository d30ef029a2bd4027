"""Check what is at the path of the state file: a state file, nothing, or a file that must not be changed."""

import os
import stat
from pathlib import Path

from exporter.core.errors import ExporterError
from exporter.core.file_faults import write_fault

# ``AIoT``, the value in SQLite's header that identifies a file of this exporter.
APPLICATION_ID = 0x41496F54
MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
PRIVATE = 0o600


class StateError(ExporterError):
    """The state file cannot be used now. It may become usable later."""


class DamagedError(StateError):
    """The file is a state file that cannot be repaired. It must be replaced by a new one."""


def has_content(path: Path) -> bool:
    """Return whether a state file exists and is not empty.

    Raises DamagedError for a state file with a damaged header, and StateError for any other file or an unreadable one.
    """
    header = _header(path)
    if header and not (header.startswith(MAGIC) and header[68:72] == APPLICATION_ID.to_bytes(4, "big")):
        raise StateError("not a state file of this exporter: use another path, or remove the file")
    if header and header[18:20] != b"\1\1":
        raise DamagedError("the file header is damaged")
    return bool(header)


def _header(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise StateError("not a regular file; use another path")
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _state_error(error) from None


def create_file(path: Path) -> None:
    """Create the file if it does not exist, readable only by its owner. Raises StateError if it is not writable."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
    except OSError as error:
        raise _state_error(error) from None


def remove_file(path: Path) -> None:
    """Remove the file and SQLite's journal. Raises StateError."""
    try:
        # The file goes first: without its journal it may contain half a transaction, a journal alone is harmless.
        path.unlink(missing_ok=True)
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
    except OSError as error:
        raise _state_error(error) from None


def _state_error(error: OSError) -> StateError:
    return StateError(write_fault(error))
