"""An exporter process that a test can kill, and comparisons of its scrapes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.exporter_server import aws_environment
from tests.support.repository import ROOT
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

ID = re.compile(r',id="([^"]*)"')


@dataclass(frozen=True, slots=True)
class ExporterProcess:
    """A running exporter process."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def url(self) -> str | None:
        """The URL, or None while the process does not listen yet."""
        assert self.process.poll() is None, self.output.read_text()
        found = re.search(r"url=(\S+)/metrics", self.output.read_text())
        return found[1] if found else None

    def scrape(self, within: str = "30") -> str:
        """Return the response of /metrics."""
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": within}
        return httpx.get(
            f"{wait_until(lambda: self.url, 'the start')}/metrics", headers=headers, timeout=TIMEOUT_SECONDS
        ).text

    def kill(self) -> None:
        """Kill the process, as a crash does."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)

    def end(self) -> int:
        """Stop the process by SIGTERM and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_SECONDS)


@contextmanager
def run_exporter_process(folder: Path, config: str, endpoint: str, *flags: str) -> Iterator[ExporterProcess]:
    """Run ``serve``, and kill it at the end of the block if it still runs."""
    file, output = folder / "config.yaml", folder / "exporter.log"
    file.write_text(config)
    command = [sys.executable, "-m", "exporter", f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *flags]
    with aws_environment(endpoint), output.open("wb") as log:
        process = subprocess.Popen(command, stderr=log, cwd=ROOT, env=dict(os.environ))
    try:
        yield ExporterProcess(process, output)
    finally:
        process.kill()
        process.wait(TIMEOUT_SECONDS)


def rows_by_operation(exposed: str) -> dict[str, frozenset[str]]:
    """Return the samples of each operation by id, without the time of its last read."""
    found: dict[str, set[str]] = {}
    for row in exposed.splitlines():
        id = ID.search(row)
        if id and not row.startswith("aws_iot_bulk_operation_last_success"):
            found.setdefault(id[1], set()).add(row)
    return {id: frozenset(rows) for id, rows in found.items()}


def sample_sum(exposed: str, name: str) -> float:
    """Return the sum of the samples whose line begins with a name."""
    return sum(float(row.rpartition(" ")[2]) for row in exposed.splitlines() if row.startswith(name))


def ended_operations(known: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return the operations that have ended."""
    over = re.compile(r'status="(Completed|COMPLETED)"} 1\.0$')
    return {id: rows for id, rows in known.items() if any(over.search(row) for row in rows)}
