"""The exporter as its users run it: a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import until

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(command: list[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs, its output in a file; SIGTERM ends it."""
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Run the demo on free ports; give the URL that it prints for the metrics."""
    output = folder / "demo.log"
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"]
    with running(command, output) as process:

        def printed() -> str | None:
            assert process.poll() is None, output.read_text()
            match = re.search(r"http://\S+/metrics", output.read_text())
            return match[0] if match else None

        yield until(printed, "the demo's URL")
