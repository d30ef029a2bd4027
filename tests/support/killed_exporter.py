"""An exporter process that a test can kill, and comparisons of its scrapes."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.support import http_requests
from tests.support.exporter_server import aws_environment
from tests.support.processes import output_match, run_process
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

ID = re.compile(r',id="([^"]*)"')


@dataclass(frozen=True, slots=True)
class ExporterProcess:
    """A running exporter process."""

    process: Popen[bytes]
    output: Path

    @property
    def url(self) -> str | None:
        """The URL, or None while the process does not listen yet."""
        return output_match(r"(?<=url=)\S+(?=/metrics)", self.process, self.output)

    def scrape(self, within: str = "30") -> str:
        """Return the response of /metrics. ``within`` is the scrape time-out in seconds."""
        url = wait_until(lambda: self.url, "the exporter's start")
        return http_requests.get(f"{url}/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": within}).text

    def kill(self) -> None:
        """Kill the process, as a crash does."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)

    def end(self) -> int:
        """Stop the process by SIGTERM and return its exit status."""
        self.process.terminate()
        return self.process.wait(TIMEOUT_SECONDS)


@contextmanager
def run_exporter_process(folder: Path, config: str, endpoint: str, *flags: str) -> Iterator[ExporterProcess]:
    """Run ``serve``, and kill it at the end of the block if it still runs."""
    file, output = folder / "config.yaml", folder / "exporter.log"
    file.write_text(config)
    command = [sys.executable, "-m", "exporter", f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *flags]
    with aws_environment(endpoint):
        environment = dict(os.environ)
    with run_process(command, output, environment) as process:
        exporter = ExporterProcess(process, output)
        try:
            yield exporter
        finally:
            exporter.kill()


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
