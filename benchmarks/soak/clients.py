"""The clients of the load test, each in its own thread: scrapers, health checks and reloads."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, product

from benchmarks import harness
from benchmarks.soak.fleet import MARKERS
from benchmarks.soak.programs import ExporterUnderLoad
from benchmarks.soak.raw_http import Response, read, request
from benchmarks.soak.scrape_checks import OPENMETRICS, ScrapeChecker

INVALID_CONFIG = "accounts: [{regions: 7}]\n"
PIPELINED = 3
HEALTH_SECONDS = 0.2
RELOAD_SECONDS = 1.0
# One of so many responses is kept, so that it can be parsed completely.
KEEP_EVERY = 20
TIMEOUT = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}
# The headers of the scrapers. Without ``Connection: close`` a scraper reuses its connection.
FORMATS = tuple(
    {**TIMEOUT, **format, **encoding, **connection}
    for format, encoding, connection in product(
        ({}, {"Accept": OPENMETRICS}), ({}, {"Accept-Encoding": "gzip"}), ({}, {"Connection": "close"})
    )
)


@dataclass(slots=True)
class ClientStats:
    """Results of all clients: seconds, faults by their text, and some responses. Any thread may add to them."""

    scrapes: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    reloads: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Response]] = field(default_factory=dict)
    loaded: int = 0
    refused: int = 0

    def time(self, seconds: list[float], request: str, send: Callable[[], int], expected: int) -> None:
        """Send a request, and record its seconds and an unexpected status."""
        began = time.monotonic()
        try:
            status: object = send()
        except OSError as error:
            status = repr(error)
        seconds.append(time.monotonic() - began)
        if status != expected:
            self.faults[f"{request} has the status {status}"] += 1

    def keep(self, response: Response, most: int) -> None:
        """Keep some responses of each content type."""
        kept = self.samples.setdefault(response.headers["content-type"], [])
        if len(kept) < most and len(self.scrapes) % KEEP_EVERY == 0:
            kept.append(response)


@contextmanager
def running_clients(
    exporter: ExporterUnderLoad, checker: ScrapeChecker, scrapers: int, parsed: int
) -> Iterator[ClientStats]:
    """Run all clients during the block. The last scraper sends requests without waiting for responses."""
    clients = _Clients(exporter, checker, parsed)
    jobs = [partial(clients.scrape, FORMATS[index % len(FORMATS)]) for index in range(scrapers - 1)]
    jobs.append(partial(clients.scrape, TIMEOUT, PIPELINED))
    with harness.running_threads([*jobs, clients.check_health, clients.reload], clients.stopped.set):
        yield clients.stats


@dataclass(frozen=True, slots=True)
class _Clients:
    exporter: ExporterUnderLoad
    checker: ScrapeChecker
    parsed: int
    stats: ClientStats = field(default_factory=ClientStats)
    stopped: threading.Event = field(default_factory=threading.Event)

    def scrape(self, headers: Mapping[str, str], ahead: int = 1) -> None:
        while not self.stopped.is_set():
            try:
                for response in self._responses(headers, ahead):
                    self.stats.faults.update(self.checker.faults(response))
                    self.stats.keep(response, self.parsed)
            except OSError as error:
                self.stats.faults[f"a scrape ended with {error!r}"] += 1

    def _responses(self, headers: Mapping[str, str], ahead: int) -> Iterator[Response]:
        """Give the responses on one connection until it is closed."""
        with self.exporter.target.open() as (connection, reader):
            while not self.stopped.is_set():
                began = time.monotonic()
                connection.sendall(request("GET", "/metrics", headers) * ahead)
                for _ in range(ahead):
                    response = read(reader)
                    self.stats.scrapes.append(time.monotonic() - began)
                    yield response
                if "Connection" in headers:
                    return

    def check_health(self) -> None:
        while not self.stopped.wait(HEALTH_SECONDS):
            self.stats.time(self.stats.health, "/-/healthy", lambda: self.exporter.get("/-/healthy").status, 200)

    def reload(self) -> None:
        """Change the configuration every second: twice by signal, twice by request. Every fifth file is invalid."""
        for number in count():
            if self.stopped.wait(RELOAD_SECONDS):
                return
            is_invalid, uses_signal = number % 5 == 4, number // 2 % 2 == 0
            self.exporter.configure(INVALID_CONFIG if is_invalid else self.exporter.fleet.config(MARKERS[number % 2]))
            self.stats.refused += is_invalid
            self.stats.loaded += not is_invalid
            if uses_signal:
                self.exporter.process.send_signal(signal.SIGHUP)
            else:
                self.stats.time(self.stats.reloads, "a reload", self.exporter.reload, 500 if is_invalid else 200)
