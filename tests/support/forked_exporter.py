"""Runs commands of the exporter in processes that a server forks after it has imported the exporter.

A new interpreter needs half a second of processor time for the imports, a forked process much less. Each run is a
process with its own arguments, environment and pipes, and ends as an interpreter does. Warnings are errors in it.
Tests of signals, of terminals and of the start itself start a new interpreter instead.
"""

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from exporter.cli.main import COMMANDS

# A new interpreter reads these variables before the exporter starts.
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_")
MESSAGE_BYTES = 1 << 17


class ForkServer:
    """A process that has imported the exporter and forks for each run. Runs of several threads wait for each other."""

    def __init__(self) -> None:
        self._environment = _read_at_start(os.environ)
        self._lock = threading.Lock()
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with control:
            # The streams are pipes, so that Python buffers those of the runs as it buffers pipes.
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", __name__, str(control.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[control.fileno()],
                cwd=Path(__file__).parents[2],
            )

    def close(self) -> None:
        """End the server."""
        self._control.close()
        self._process.communicate()

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Return whether an interpreter would start with this environment as the server has started."""
        return _read_at_start(environment) == self._environment

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m exporter`` to its end, in the folder of the repository. Raises TimeoutError."""
        (stdout, stdout_end), (stderr, stderr_end) = os.pipe(), os.pipe()
        with self._lock, os.fdopen(stdout, "rb") as output, os.fdopen(stderr, "rb") as errors:
            request = json.dumps([arguments, dict(environment)]).encode()
            socket.send_fds(self._control, [request], [0, stdout_end, stderr_end])
            os.close(stdout_end)
            os.close(stderr_end)
            id = int(self._control.recv(MESSAGE_BYTES))
            try:
                texts = _read_to_end((output, errors), time.monotonic() + timeout)
            except TimeoutError:
                os.kill(id, signal.SIGKILL)
                raise
            finally:
                status = int(self._control.recv(MESSAGE_BYTES))
        return subprocess.CompletedProcess(arguments, status, *texts)


@cache
def fork_server() -> ForkServer:
    """Return the server of this process. It starts at the first call and ends with the process."""
    server = ForkServer()
    atexit.register(server.close)
    return server


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


def _read_to_end(streams: Sequence[BinaryIO], deadline: float) -> list[str]:
    """Return the text of each stream. Raises TimeoutError if a stream has not ended at the deadline."""
    texts: dict[int, list[bytes]] = {stream.fileno(): [] for stream in streams}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError("the exporter has not ended")
            for key, _ in ready:
                data = os.read(key.fd, MESSAGE_BYTES)
                texts[key.fd].append(data)
                if not data:
                    selector.unregister(key.fd)
    return [b"".join(text).decode() for text in texts.values()]


def _request(control: socket.socket) -> list[str] | None:
    """Fork for each request. Return the arguments in the forked process, and None in the server after the end."""
    while True:
        message, descriptors, *_ = socket.recv_fds(control, MESSAGE_BYTES, 3)
        if not message:
            return None
        id = os.fork()
        if not id:
            for stream, descriptor in enumerate(descriptors):
                os.dup2(descriptor, stream)
                os.close(descriptor)
            arguments, environment = json.loads(message)
            os.environ.clear()
            os.environ.update(environment)
            time.tzset()
            return [*arguments]
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(id).encode())
        control.send(str(os.waitstatus_to_exitcode(os.waitpid(id, 0)[1])).encode())


def main() -> None:
    """Import the exporter, serve requests, and run the exporter in each forked process."""
    for command in COMMANDS:
        import_module(f"exporter.cli.commands.{command}")
    assert threading.active_count() == 1
    # The collector would write to the memory that the processes share.
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        arguments = _request(control)
    if arguments is not None:
        sys.argv[1:] = arguments
        runpy.run_module("exporter", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
