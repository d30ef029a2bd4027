"""The exit statuses of all commands. The reference of the command line explains them."""

from enum import IntEnum
from signal import SIGINT, SIGPIPE, SIGTERM


class ExitStatus(IntEnum):
    """How a command ended."""

    SUCCEEDED = 0
    FAILED = 1
    BAD_USAGE = 2
    UNREACHABLE = 3
    UNDECIDED = 4
    TIMED_OUT = 5
    # EX_IOERR of sysexits.h. Status 1 of ``watch`` and ``check --live`` states a result.
    OUTPUT_FAILED = 74
    # A shell reports a process that a signal ended with 128 plus the number of the signal.
    INTERRUPTED = 128 + SIGINT
    BROKEN_PIPE = 128 + SIGPIPE
    TERMINATED = 128 + SIGTERM
