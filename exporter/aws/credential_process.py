"""``credential_process``: the program of a profile that prints credentials, with limits and checks."""

import json
import os
import signal
import subprocess  # nosec B404
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from exporter.core.errors import ApiError, Reason

# Real programs print one or two kilobytes.
MAX_OUTPUT_BYTES = 64 * 1024
# A program must not read the standard input of the exporter. Its error output may contain secrets.
STREAMS = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
# A session of its own, so that the programs which it starts can be killed with it.
OPTIONS = {**STREAMS, "start_new_session": True}


class ProcessFactory:
    """What botocore uses instead of ``subprocess.Popen``. A program is killed after ``seconds``.

    ``error`` returns the error for a cause in words. The output and the command contain secrets and are never shown.
    """

    def __init__(
        self, error: Callable[[str, str], ApiError], seconds: float, start: Callable[..., Any] = subprocess.Popen
    ) -> None:
        self._error = error
        self._seconds = seconds
        self._start = start

    def __call__(self, command: Sequence[str], **_: Any) -> "CheckedProcess":
        """Start a program. Raises ApiError if the system cannot start it."""
        try:
            process = self._start(command, **OPTIONS)
        except (OSError, ValueError, IndexError) as error:
            cause = getattr(error, "strerror", None) or "invalid command"
            raise self._error(f"the program cannot be started: {cause.lower()}", "") from None
        return CheckedProcess(process, self._error, self._seconds)


class CheckedProcess:
    """A running program, with the part of ``subprocess.Popen`` that botocore uses."""

    returncode = 0

    def __init__(self, process: subprocess.Popen[bytes], error: Callable[[str, str], ApiError], seconds: float) -> None:
        self._process = process
        self._error = error
        self._seconds = seconds

    def communicate(self) -> tuple[bytes, bytes]:
        """Return the output, which contains valid credentials, and no error output. Raises ApiError."""
        output, is_late = self._read()
        if is_late:
            raise self._error(f"the program did not end within {self._seconds:g} seconds", Reason.TIMEOUT)
        if len(output) > MAX_OUTPUT_BYTES:
            raise self._error("the output is larger than 64 KiB", "")
        if self._process.returncode:
            raise self._error(f"the program ended with status {self._process.returncode}", "")
        cause = output_fault(output)
        if cause:
            raise self._error(cause, "")
        return output, b""

    def _read(self) -> tuple[bytes, bool]:
        """Return the beginning of the output, and whether the program was killed after its time."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self._kill()

        timer = threading.Timer(self._seconds, end)
        timer.daemon = True
        timer.start()
        try:
            with self._process as process:
                output = process.stdout.read(MAX_OUTPUT_BYTES + 1) if process.stdout else b""
                if len(output) > MAX_OUTPUT_BYTES:
                    self._kill()
        finally:
            timer.cancel()
        return output, late.is_set()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def output_fault(output: bytes) -> str:
    """Return why an output contains no credentials, without any part of it, or an empty text."""
    try:
        content = json.loads(output)
    except (ValueError, RecursionError):
        return "the output is not JSON" if output.strip() else "the output is empty"
    if not isinstance(content, dict):
        return "the output is not a JSON object"
    if content.get("Version") != 1:
        return "Version in the output is not 1"
    missing = [name for name in ("AccessKeyId", "SecretAccessKey") if not isinstance(content.get(name), str)]
    if missing:
        return f"{missing[0]} is missing in the output"
    return "" if _is_time(content.get("Expiration")) else "Expiration in the output is not a time"


def _is_time(text: object) -> bool:
    if text is None:
        return True
    try:
        return datetime.fromisoformat(str(text)).tzinfo is not None
    except ValueError:
        return False
