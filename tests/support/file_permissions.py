"""Runs code as a user that file permissions bind, also if the tests run as root."""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Linux: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, with which root reads every file. See capabilities(7) and capget(2).
_FILE_CAPABILITIES = (1, 2)
_VERSION_3 = 0x20080522
# prctl(2). A program that root starts has all capabilities of the bounding set.
_PR_CAPBSET_DROP = 24


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def result_without_file_privileges(function: Callable[[], T]) -> T:
    """Return the result of a function that runs in a thread of its own. Raises what the function raises.

    The thread, and the threads and programs that it starts, cannot read files against their permissions.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            if os.geteuid() == 0:
                _drop_file_capabilities()
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return results[0]


def _drop_file_capabilities() -> None:
    """Drop the capabilities of the current thread. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capget")
    for capability in _FILE_CAPABILITIES:
        sets[0].effective &= ~(1 << capability)
        sets[0].permitted &= ~(1 << capability)
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    if libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")
