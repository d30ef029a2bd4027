"""The programs under load, as a user starts them: ``serve`` against ``simulate``, each a process of its own."""

from __future__ import annotations

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
from benchmarks.soak.process_usage import Vitals, look
from benchmarks.soak.raw_http import Answer, Target

AS_THE_IMAGE = {"MALLOC_ARENA_MAX": "2"}
SETTLING = 30
"""Seconds until what clients held must be given back."""
GROWTH_OF_FILES, SPARE_FILES = 0.25, 32
"""How many more connections to AWS may be kept: by how many calls came at once, and for accounts gone just now."""
SPARE_THREADS = 4
"""What a refresh that is under way may hold."""
ESTABLISHED, CLOSE_WAIT = "01", "08"
HEADERS = {"X_Prometheus_Scrape_Timeout_Seconds": "5"}
OPERATIONS = "aws_iot_bulk_exporter_operations{"


@dataclass(frozen=True, slots=True)
class Stage:
    """An exporter that has read everything; its files may be changed and read again."""

    fleet: Fleet
    target: Target
    process: subprocess.Popen[bytes]
    config: Path
    log: Path

    def get(self, path: str = "/metrics", **headers: str) -> Answer:
        """Return an answer, on a connection of its own."""
        return self.target.get(path, **headers)

    def configure(self, text: str) -> None:
        """Write another configuration, all of it at once."""
        new = self.config.with_suffix(".new")
        new.write_text(text)
        new.replace(self.config)

    def reload(self) -> int:
        """Have the configuration read again; return the status of the answer."""
        return self.target.ask("POST", "/-/reload", Connection="close").status

    def vitals(self) -> Vitals:
        """Return what the exporter holds."""
        return look(self.process.pid)

    def settled(self, before: Vitals) -> Vitals:
        """Return what it holds when its clients are gone, as soon as that is what it held before, or after a while."""
        for _ in range(SETTLING):
            self.get("/config")  # idle threads end when another one is asked for
            now = self.vitals()
            if not self.leaks(before, now):
                break
            time.sleep(1.0)
        return now

    def leaks(self, before: Vitals, after: Vitals) -> list[str]:
        """Return what the process holds for clients that are gone, or holds much more of than before."""
        found = []
        if connected := self._connected():
            found.append(f"{connected} connections of clients that are gone")
        if after.files > before.files * (1 + GROWTH_OF_FILES) + SPARE_FILES:
            found.append(f"{before.files} file descriptors became {after.files}")
        if after.threads > before.threads + SPARE_THREADS:
            found.append(f"{before.threads} threads became {after.threads}")
        return found

    def _connected(self) -> int:
        """Return how many connections the server holds; proc(5) tells the format."""
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        mine = f":{self.target.port:04X}"
        return sum(line[1].endswith(mine) and line[3] in (ESTABLISHED, CLOSE_WAIT) for line in lines)

    def logged(self) -> list[str]:
        """Return the lines that the exporter has logged."""
        return self.log.read_text().splitlines()

    def alarming(self) -> list[str]:
        """Return the lines that tell of a defect."""
        words = ("Traceback", "a library reports", "Exception ignored", "unexpected")
        return [line for line in self.logged() if any(word in line for word in words)]


@contextmanager
def stage(fleet: Fleet, tls: bool = False, guests: int = 0) -> Iterator[Stage]:
    """Run both programs while the block runs, which begins when every operation is read."""
    with TemporaryDirectory() as name, harness.simulator(Path(name), fleet.scenario(guests)) as endpoint:
        folder = Path(name)
        config, log, port = folder / "config.yaml", folder / "serve.log", harness.free_port()
        config.write_text(fleet.config())
        flags = [f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        context = None
        if tls:
            context = _secure(folder)
            flags.append(f"--web.config.file={folder / 'web.yaml'}")
        with log.open("wb") as file:
            command = [sys.executable, "-m", "exporter", "serve", *flags]
            process = subprocess.Popen(command, env={**harness.environment(endpoint), **AS_THE_IMAGE}, stderr=file)
        try:
            found = Stage(fleet, Target(port, context), process, config, log)
            _fill(found)
            yield found
        finally:
            process.terminate()
            process.wait()


def _secure(folder: Path) -> SSLContext:
    """Write a web configuration with a certificate; return what a client needs that trusts it."""
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "pair.pem"))
    (folder / "web.yaml").write_text("tls_server_config: {cert_file: pair.pem, key_file: pair.pem}\n")
    context = create_default_context()
    authority.configure_trust(context)
    return context


def _fill(found: Stage) -> None:
    expected = sum(found.fleet.operations.values())
    for _ in range(harness.TRIES):
        try:
            text = found.get(**HEADERS).body.decode()
        except ConnectionRefusedError:
            time.sleep(harness.PAUSE)
            continue
        if harness.total(text, OPERATIONS) == expected:
            return
    sys.exit("the exporter did not read every operation")
