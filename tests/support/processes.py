"""Runs the exporter and other programs as processes, and compares the scrapes of an exporter that a test kills."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.cli.main import PROGRAM
from tests.support import http_requests
from tests.support.exporter_server import aws_environment
from tests.support.forked_exporter import fork_server
from tests.support.repository import ROOT
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

ID = re.compile(r',id="([^"]*)"')


def run_exporter(
    *arguments: str, region: str = "eu-west-1", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the exporter to its end, without an AWS configuration or with another environment."""
    with aws_environment("http://127.0.0.1:9", AWS_DEFAULT_REGION=region, AWS_REGION=region):
        used = dict(os.environ) if environment is None else environment
    if fork_server().can_run(used):
        return fork_server().run(arguments, used, timeout=300)
    command = [sys.executable, "-W", "error", "-m", "exporter", *arguments]
    return subprocess.run(command, cwd=ROOT, env=used, capture_output=True, text=True, check=False, timeout=300)


def usage_errors(*arguments: str, region: str = "eu-west-1") -> list[str]:
    """Return the error lines of a command that exits with status 2, without the program's name."""
    done = run_exporter(*arguments, region=region)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith(f"{PROGRAM}: ")] == []
    return [line.removeprefix(f"{PROGRAM}: ") for line in lines]


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
            process.wait(timeout=300)


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


@dataclass(frozen=True, slots=True)
class ExporterProcess:
    """A running exporter process."""

    process: subprocess.Popen[bytes]
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
def run_exporter_process(
    folder: Path, config: str, endpoint: str, *flags: str, **settings: str
) -> Iterator[ExporterProcess]:
    """Run ``serve``, and kill it at the end of the block if it still runs. ``settings`` are more AWS variables."""
    file, output = folder / "config.yaml", folder / "exporter.log"
    file.write_text(config)
    command = [sys.executable, "-m", "exporter", f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *flags]
    with aws_environment(endpoint, **settings):
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
        if id and not row.startswith("aws_iot_bulk_operation_last_read"):
            found.setdefault(id[1], set()).add(row)
    return {id: frozenset(rows) for id, rows in found.items()}


def sample_sum(exposed: str, name: str) -> float:
    """Return the sum of the samples whose line begins with a name."""
    return sum(float(row.rpartition(" ")[2]) for row in exposed.splitlines() if row.startswith(name))


def ended_operations(known: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return the operations that have ended."""
    over = re.compile(r'status="(Completed|COMPLETED)"} 1\.0$')
    return {id: rows for id, rows in known.items() if any(over.search(row) for row in rows)}
