"""Runs programs in the background."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.repository import ROOT
from tests.support.waiting import wait_until


@contextmanager
def run_process(
    command: list[str], output: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs, with its output in a file. SIGTERM ends it.

    ``environment`` replaces the environment of the tests.
    """
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def run_until_printed(
    pattern: str, command: list[str], output: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a program while the block runs, and yield the first match of a pattern in its output."""
    with run_process(command, output, environment) as process:
        yield wait_for_output(pattern, process, output)


def wait_for_output(pattern: str, process: subprocess.Popen[bytes], output: Path) -> str:
    """Wait for a pattern in a program's output and return the first match."""
    return wait_until(lambda: output_match(pattern, process, output), pattern)


def output_match(pattern: str, process: subprocess.Popen[bytes], output: Path) -> str | None:
    """Return the first match of a pattern in a program's output, or None. Fail if the program has ended."""
    assert process.poll() is None, output.read_text()
    match = re.search(pattern, output.read_text())
    return match[0] if match else None


@contextmanager
def run_demo(folder: Path, *flags: str) -> Iterator[str]:
    """Run the demo on a free port, and yield the URL of its metrics."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", *flags]
    with run_until_printed(r"https?://\S+/metrics", command, folder / "demo.log") as url:
        yield url
