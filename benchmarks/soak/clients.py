"""The clients of the load test, each in its own thread: scrapers, health checks and reloads."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, product

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
    exporter: ExporterUnderLoad, new_checker: ScrapeChecker, scrapers: int, parsed: int
) -> Iterator[ClientStats]:
    """Run all clients during the block. The last scraper sends requests without waiting for responses."""
    stats, stopped = ClientStats(), threading.Event()

    def scraper(headers: Mapping[str, str], ahead: int = 1) -> Callable[[], None]:
        return lambda: _scrape(exporter, new_checker, stats, stopped, parsed, headers, ahead)

    jobs = [scraper(FORMATS[index % len(FORMATS)]) for index in range(scrapers - 1)]
    jobs += [
        scraper(TIMEOUT, PIPELINED),
        lambda: _check_health(exporter, stats, stopped),
        lambda: _reload(exporter, stats, stopped),
    ]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield stats
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _scrape(
    exporter: ExporterUnderLoad,
    new_checker: ScrapeChecker,
    stats: ClientStats,
    stopped: threading.Event,
    parsed: int,
    headers: Mapping[str, str],
    ahead: int,
) -> None:
    while not stopped.is_set():
        try:
            for response in _responses(exporter, stats, stopped, headers, ahead):
                stats.faults.update(new_checker.faults(response))
                stats.keep(response, parsed)
        except OSError as error:
            stats.faults[f"a scrape ended with {error!r}"] += 1


def _responses(
    exporter: ExporterUnderLoad, stats: ClientStats, stopped: threading.Event, headers: Mapping[str, str], ahead: int
) -> Iterator[Response]:
    """Give the responses on one connection until it is closed."""
    with exporter.target.open() as (connection, reader):
        while not stopped.is_set():
            began = time.monotonic()
            connection.sendall(request("GET", "/metrics", headers) * ahead)
            for _ in range(ahead):
                response = read(reader)
                stats.scrapes.append(time.monotonic() - began)
                yield response
            if "Connection" in headers:
                return


def _check_health(exporter: ExporterUnderLoad, stats: ClientStats, stopped: threading.Event) -> None:
    while not stopped.wait(HEALTH_SECONDS):
        stats.time(stats.health, "/-/healthy", lambda: exporter.get("/-/healthy").status, 200)


def _reload(exporter: ExporterUnderLoad, stats: ClientStats, stopped: threading.Event) -> None:
    """Change the configuration every second: twice by signal, twice by request. Every fifth file is invalid."""
    for number in count():
        if stopped.wait(RELOAD_SECONDS):
            return
        failures, uses_signal = number % 5 == 4, number // 2 % 2 == 0
        exporter.configure(INVALID_CONFIG if failures else exporter.fleet.config(MARKERS[number % 2]))
        stats.refused, stats.loaded = stats.refused + failures, stats.loaded + (not failures)
        if uses_signal:
            exporter.process.send_signal(signal.SIGHUP)
        else:
            stats.time(stats.reloads, "a reload", exporter.reload, 500 if failures else 200)
