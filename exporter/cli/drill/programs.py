"""The programs of the drill as processes of their own, and what they answer over HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from exporter.core.errors import StartError

HOST = "127.0.0.1"
GRACE_SECONDS = 15.0
"""How long a program may take to end after SIGTERM."""
ANSWER_SECONDS = 5.0


def found(*names: str) -> str:
    """Return the path of the first of these programs that is installed. Raises StartError."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise StartError(f"the program {' or '.join(names)} is not installed")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Programs:
    """Processes by name, in an environment; each writes what it says into a file of the folder.

    Each has a session of its own, so that Ctrl+C reaches the drill alone, which ends them in order.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, *command: str) -> None:
        """Start a program, in place of the one that has the name."""
        await self.end(name)
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    async def start_exporter(self, name: str, *arguments: str) -> None:
        """Start this very exporter with a command and flags."""
        await self.start(name, sys.executable, "-m", "exporter", *arguments)

    def hang_up(self, name: str) -> None:
        """Tell a program to read its configuration again."""
        self._running[name].send_signal(signal.SIGHUP)

    def ended(self) -> Sequence[str]:
        """Return the names of programs that ended by themselves."""
        return [name for name, process in self._running.items() if process.returncode is not None]

    async def end(self, *names: str) -> None:
        """End programs and wait for their ends."""
        ending = [self._running.pop(name) for name in names if name in self._running]
        for process in ending:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(_over(process) for process in ending))

    async def end_all(self) -> None:
        """End every program."""
        await self.end(*self._running)


async def _over(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def text_of(port: int, path: str) -> str:
    """Return the text of an answer, empty where there is none."""
    status, body = await asyncio.to_thread(_get, port, path)
    return body.decode(errors="replace") if status == 200 else ""


async def json_of(port: int, path: str) -> Any:
    """Return the JSON of an answer, None where there is none."""
    text = await text_of(port, path)
    return json.loads(text) if text else None


async def series_of(port: int, query: str) -> int:
    """Return how many series Prometheus answers to a query, 0 where it does not answer."""
    answer = await json_of(port, f"/api/v1/query?query={quote(query)}")
    return len(answer["data"]["result"]) if answer else 0


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()
