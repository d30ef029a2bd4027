"""The processes of the load test: ``serve``, and ``simulate`` as AWS."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, create_default_context
from tempfile import TemporaryDirectory

import trustme

from benchmarks import harness
from benchmarks.soak.fleet import Fleet
from benchmarks.soak.process_usage import ProcessUsage, read_usage
from benchmarks.soak.raw_http import Response, Target
from exporter.cli.drill.programs import free_port

IMAGE_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
# The exporter must release the resources of clients within this time.
SETTLE_SECONDS = 30
# More connections to AWS may stay open, after many concurrent calls and for accounts that were removed just before.
GROWTH_OF_FILES, SPARE_FILES = 0.25, 32
# A refresh may use these additional threads.
SPARE_THREADS = 4
ESTABLISHED, CLOSE_WAIT = "01", "08"
HEADERS = {"X_Prometheus_Scrape_Timeout_Seconds": "5"}
OPERATIONS = "aws_iot_bulk_exporter_operations{"


@dataclass(frozen=True, slots=True)
class ExporterUnderLoad:
    """A running exporter that has read every operation. Its configuration can be changed and reloaded."""

    fleet: Fleet
    target: Target
    process: subprocess.Popen[bytes]
    config: Path
    log: Path

    def get(self, path: str = "/metrics", **headers: str) -> Response:
        """Return the response to a request on a new connection."""
        return self.target.get(path, **headers)

    def configure(self, text: str) -> None:
        """Replace the configuration file atomically."""
        new = self.config.with_suffix(".new")
        new.write_text(text)
        new.replace(self.config)

    def reload(self) -> int:
        """Reload the configuration, and return the status of the response."""
        return self.target.send("POST", "/-/reload", Connection="close").status

    def usage(self) -> ProcessUsage:
        """Return the current usage of the exporter."""
        return read_usage(self.process.pid)

    def usage_after_load(self, before: ProcessUsage) -> ProcessUsage:
        """Return the usage after the clients have disconnected. Wait until it does not exceed the usage before."""
        for _ in range(SETTLE_SECONDS):
            # Idle threads end when a request starts a new one.
            self.get("/config")
            now = self.usage()
            if not self.leaks(before, now):
                break
            time.sleep(1.0)
        return now

    def leaks(self, before: ProcessUsage, after: ProcessUsage) -> list[str]:
        """Return the resources that the process has not released."""
        leaks = []
        if connected := self._connected():
            leaks.append(f"{connected} connections of disconnected clients")
        if after.files > before.files * (1 + GROWTH_OF_FILES) + SPARE_FILES:
            leaks.append(f"{before.files} file descriptors have become {after.files}")
        if after.threads > before.threads + SPARE_THREADS:
            leaks.append(f"{before.threads} threads have become {after.threads}")
        return leaks

    def _connected(self) -> int:
        """Return the number of open connections of the server; see proc(5) for the format."""
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        port = f":{self.target.port:04X}"
        return sum(line[1].endswith(port) and line[3] in (ESTABLISHED, CLOSE_WAIT) for line in lines)

    def log_lines(self) -> list[str]:
        """Return the lines that the exporter has logged."""
        return self.log.read_text().splitlines()

    def error_lines(self) -> list[str]:
        """Return the log lines that report a defect."""
        words = ("Traceback", "warning of a library", "Exception ignored", "unexpected")
        return [line for line in self.log_lines() if any(word in line for word in words)]


@contextmanager
def exporter(fleet: Fleet, tls: bool = False, temporary_accounts: int = 0) -> Iterator[ExporterUnderLoad]:
    """Run both processes during the block. It begins when the exporter has read every operation."""
    with TemporaryDirectory() as name, harness.simulator(fleet.scenario(temporary_accounts)) as endpoint:
        folder = Path(name)
        config, log, port = folder / "config.yaml", folder / "serve.log", free_port()
        config.write_text(fleet.config())
        flags = [f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        context = None
        if tls:
            context = _write_tls_config(folder)
            flags.append(f"--web.config.file={folder / 'web.yaml'}")
        with log.open("wb") as file:
            command = [sys.executable, "-m", "exporter", "serve", *flags]
            process = subprocess.Popen(command, env={**harness.environment(endpoint), **IMAGE_ENVIRONMENT}, stderr=file)
        try:
            tested = ExporterUnderLoad(fleet, Target(port, context), process, config, log)
            _wait_until_filled(tested)
            yield tested
        finally:
            process.terminate()
            process.wait()


def _write_tls_config(folder: Path) -> SSLContext:
    """Write a web configuration with a certificate, and return the context of a client that trusts it."""
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "pair.pem"))
    (folder / "web.yaml").write_text("tls_server_config: {cert_file: pair.pem, key_file: pair.pem}\n")
    context = create_default_context()
    authority.configure_trust(context)
    return context


def _wait_until_filled(tested: ExporterUnderLoad) -> None:
    expected = sum(tested.fleet.operations.values())
    for _ in range(harness.TRIES):
        try:
            text = tested.get(**HEADERS).body.decode()
        except ConnectionRefusedError:
            time.sleep(harness.PAUSE)
            continue
        if harness.total(text, OPERATIONS) == expected:
            return
    sys.exit("the exporter did not read every operation")
