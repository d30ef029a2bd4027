"""What is wrong with a file or its path, and the cure, for messages that name the file."""

import errno
from collections.abc import Mapping

_READ_CURES: Mapping[int | None, str] = {
    errno.ENOENT: "correct the path, or create the file",
    errno.EISDIR: "use the path of a file, not of a folder",
    errno.EACCES: "allow the user of this process to read the file and to enter its folder",
}
_READ_CURE = "correct the path"
_WRITE_CURES: Mapping[int | None, str] = {
    errno.ENOENT: "create the folder, or use another path",
    errno.EISDIR: "use the path of a file, not of a folder",
    errno.EACCES: "allow the user of this process to write the file and to write in its folder, or use another path",
    errno.EROFS: "use a path on a file system that can be written",
    errno.ENOSPC: "free disk space, or use another path",
}
_WRITE_CURE = "use another path"


def read_fault(error: OSError) -> str:
    """Return why a file cannot be read, and the cure."""
    return f"{_cause(error)}; {_READ_CURES.get(error.errno, _READ_CURE)}"


def write_fault(error: OSError) -> str:
    """Return why a file cannot be created or written, and the cure."""
    return f"{_cause(error)}; {_WRITE_CURES.get(error.errno, _WRITE_CURE)}"


def _cause(error: OSError) -> str:
    return error.strerror or "unknown error of the operating system"
