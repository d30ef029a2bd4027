"""A real terminal: tmux runs a command in a window of a given size, and returns what the window shows."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.support.repository import program


@dataclass(frozen=True, slots=True)
class TmuxWindow:
    """A window of a tmux server of its own. The server ends with the command of the window."""

    server: str

    def screen(self) -> list[str]:
        """Return the lines of the window, without spaces at their ends. There are none after the end of the server."""
        done = _tmux(self.server, "capture-pane", "-p")
        return [line.rstrip() for line in done.stdout.splitlines()]

    def type(self, *keys: str) -> None:
        """Type texts and named keys, such as ``Tab``."""
        _tmux(self.server, "send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        _tmux(self.server, "resize-window", "-x", str(columns), "-y", str(rows))


@contextmanager
def tmux_window(command: str, columns: int, rows: int, environment: Mapping[str, str]) -> Iterator[TmuxWindow]:
    """Run a shell command in a window while the block runs."""
    server = f"test-{uuid.uuid4().hex}"
    size = ("-x", str(columns), "-y", str(rows))
    variables = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
    arguments = [program("tmux"), "-L", server, "-f", os.devnull, "new-session", "-d", *size, command]
    subprocess.run(arguments, env=variables, check=True, timeout=300)
    process = int(_tmux(server, "display-message", "-p", "#{pid}").stdout)
    try:
        yield TmuxWindow(server)
    finally:
        _tmux(server, "kill-server")
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _tmux(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("tmux"), "-L", server, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
