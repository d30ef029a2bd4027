"""A shell in which a test runs the commands of a document one after the other, as a reader does."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.repository import program
from tests.support.waiting import wait_until

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w.-]+\.ya?ml)\n")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a page: a command line, or the content of the file that a block names in its first line."""

    text: str
    file: str = ""


def steps(page: str) -> Iterator[Step]:
    """Yield the command lines and the named files of a page, in its order."""
    for language, text in FENCE.findall(page):
        name = FILE_NAME.match(text)
        if language == "yaml" and name:
            yield Step(text, name[1])
        elif language == "sh":
            yield from map(Step, text.replace("\\\n", "").splitlines())


@dataclass
class ShellSession:
    """A running shell. ``log`` contains the output of all commands. ``started`` is the last command of ``start``."""

    process: subprocess.Popen[str]
    log: Path
    started: str = ""
    _commands: int = field(default=0)

    def run(self, line: str) -> tuple[int, str]:
        """Run a command line and return its exit status and its output."""
        self._commands += 1
        start, mark = self._size(), f"end-of-{self._commands}"
        self._write(f"{line}\necho {mark} $?")
        found = wait_until(lambda: re.search(rf"(?m){mark} (\d+)$", self._output(start)), line, timeout=300)
        return int(found[1]), found.string[: found.start()]

    def start(self, line: str, ready: str) -> str:
        """Start a command that does not end, and return its output up to a pattern."""
        start, self.started = self._size(), line
        self._write(f"{line} &")
        return wait_until(lambda: re.match(rf"(?s).*{ready}", self._output(start)), line, timeout=300)[0]

    def stop(self) -> None:
        """Stop the last command that was started, and wait for its end."""
        self.run("kill -TERM $!; wait $!")

    def _write(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def _size(self) -> int:
        return self.log.stat().st_size

    def _output(self, start: int) -> str:
        return self.log.read_bytes()[start:].decode(errors="replace")


@contextmanager
def shell_session(folder: Path, log: Path, environment: Mapping[str, str]) -> Iterator[ShellSession]:
    """Run a shell in a folder while the block runs. All its programs end with it."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [program("bash"), "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield ShellSession(process, log)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=300)
