"""The programs of the drill as processes, and their HTTP responses."""

import asyncio
import json
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from exporter.core.errors import StartError

HOST = "127.0.0.1"
# In seconds: the time between SIGTERM and SIGKILL, and the time-out of an HTTP request.
GRACE_SECONDS = 15.0
RESPONSE_SECONDS = 5.0
# Linux uses ports from 32768 for outgoing connections, other systems ports from 49152.
PORTS = range(20000, 32000)


def program_path(*names: str) -> str:
    """Return the path of the first of these programs that is installed. Raises StartError."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise StartError(f"the program {' or '.join(names)} is not installed")


def free_port() -> int:
    """Return an unused port.

    It is below the ports that systems choose for outgoing connections: one of those could be in use before the program
    listens on it.
    """
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.create_server((HOST, port)):
            return port


@dataclass(frozen=True, slots=True)
class Programs:
    """Processes by name. Each writes its output to a log file in the folder.

    Each has its own session, so that only the drill receives Ctrl+C and can stop the processes in order.
    """

    folder: Path
    environment: Mapping[str, str]
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, name: str, *command: str) -> None:
        """Start a program. A running program of this name is stopped first."""
        await self.stop(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    async def start_exporter(self, name: str, *arguments: str) -> None:
        """Start this exporter with a command and flags."""
        await self.start(name, sys.executable, "-m", "exporter", *arguments)

    def reload(self, name: str) -> None:
        """Make a program read its configuration again."""
        self._processes[name].send_signal(signal.SIGHUP)

    def exited(self) -> Sequence[str]:
        """Return the names of programs that have exited without a request."""
        return [name for name, process in self._processes.items() if process.returncode is not None]

    async def stop(self, *names: str) -> None:
        """Stop programs and wait until they have exited."""
        processes = [self._processes.pop(name) for name in names if name in self._processes]
        for process in processes:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(_wait_or_kill(process) for process in processes))

    async def stop_all(self) -> None:
        """Stop every program."""
        await self.stop(*self._processes)


async def _wait_or_kill(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def response_text(port: int, path: str) -> str:
    """Return the text of a response, empty without a successful response."""
    return await asyncio.to_thread(_get, port, path)


async def response_json(port: int, path: str) -> Any:
    """Return the JSON of a response, None without a successful response."""
    text = await response_text(port, path)
    return json.loads(text) if text else None


async def series_count(port: int, query: str) -> int:
    """Return the number of series in Prometheus's result of a query, 0 without a response."""
    response = await response_json(port, f"/api/v1/query?query={quote(query)}")
    return len(response["data"]["result"]) if response else 0


def _get(port: int, path: str) -> str:
    with suppress(OSError, HTTPException), closing(HTTPConnection(HOST, port, timeout=RESPONSE_SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status == 200:
            return response.read().decode(errors="replace")
    return ""
