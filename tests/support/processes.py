"""The exporter as its users run it: a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.repository import ROOT
from tests.support.waiting import until


@contextmanager
def running(
    command: list[str], output: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs, its output in a file; SIGTERM ends it.

    ``environment`` is all that it sees of one; without it the program has that of the tests.
    """
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def printing(
    pattern: str, command: list[str], output: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a program while the block runs; give what it prints that the pattern matches, as soon as it does."""
    with running(command, output, environment) as process:
        yield printed(pattern, process, output)


def printed(pattern: str, process: subprocess.Popen[bytes], output: Path) -> str:
    """Return what a program prints into a file that the pattern matches, as soon as it does."""

    def look() -> str | None:
        assert process.poll() is None, output.read_text()
        match = re.search(pattern, output.read_text())
        return match[0] if match else None

    return until(look, pattern)


@contextmanager
def demo(folder: Path, *flags: str) -> Iterator[str]:
    """Run the demo on free ports, with more flags; give the URL that it prints for the metrics."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", *flags]
    with printing(r"https?://\S+/metrics", command, folder / "demo.log") as url:
        yield url
