"""Who asks, each in a thread of its own until told to stop: scrapers of every sort, health checks, reloads."""

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
from benchmarks.soak.programs import Stage
from benchmarks.soak.raw_http import Answer, read, request
from benchmarks.soak.scrape_checks import OPENMETRICS, Judge

BROKEN = "accounts: [{regions: 7}]\n"
PIPELINED = 3
HEALTH_SECONDS = 0.2
RELOAD_SECONDS = 1.0
KEPT = 20
"""Of so many answers one is kept, to be parsed as a whole."""
TIMEOUT = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}
FORMATS = tuple(
    {**TIMEOUT, **format, **encoding, **connection}
    for format, encoding, connection in product(
        ({}, {"Accept": OPENMETRICS}), ({}, {"Accept-Encoding": "gzip"}), ({}, {"Connection": "close"})
    )
)
"""What scrapers ask for in turn; those that do not close their connection keep it."""


@dataclass(slots=True)
class Tally:
    """What clients saw, from any thread: seconds, faults by their text, and some answers."""

    scrapes: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    reloads: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Answer]] = field(default_factory=dict)
    loaded: int = 0
    refused: int = 0

    def time(self, taken: list[float], what: str, ask: Callable[[], int], expected: int) -> None:
        """Ask once, and note how long that took and whether the status was another one."""
        began = time.monotonic()
        try:
            status: object = ask()
        except OSError as error:
            status = repr(error)
        taken.append(time.monotonic() - began)
        if status != expected:
            self.faults[f"{what} was answered with {status}"] += 1

    def keep(self, answer: Answer, most: int) -> None:
        """Keep an answer of each type now and then."""
        kept = self.samples.setdefault(answer.headers["content-type"], [])
        if len(kept) < most and len(self.scrapes) % KEPT == 0:
            kept.append(answer)


@contextmanager
def asking(stage: Stage, judge: Judge, scrapers: int, parsed: int) -> Iterator[Tally]:
    """Let all of them ask while the block runs; the last scraper sends requests without waiting for answers."""
    tally, over = Tally(), threading.Event()

    def scraper(headers: Mapping[str, str], ahead: int = 1) -> Callable[[], None]:
        return lambda: _scrape(stage, judge, tally, over, parsed, headers, ahead)

    jobs = [scraper(FORMATS[place % len(FORMATS)]) for place in range(scrapers - 1)]
    jobs += [
        scraper(TIMEOUT, PIPELINED),
        lambda: _check_health(stage, tally, over),
        lambda: _reload(stage, tally, over),
    ]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _scrape(
    stage: Stage,
    judge: Judge,
    tally: Tally,
    over: threading.Event,
    parsed: int,
    headers: Mapping[str, str],
    ahead: int,
) -> None:
    while not over.is_set():
        try:
            for answer in _answers(stage, tally, over, headers, ahead):
                tally.faults.update(judge.faults(answer))
                tally.keep(answer, parsed)
        except OSError as error:
            tally.faults[f"a scrape ended with {error!r}"] += 1


def _answers(
    stage: Stage, tally: Tally, over: threading.Event, headers: Mapping[str, str], ahead: int
) -> Iterator[Answer]:
    """Give the answers on one connection, as long as it is kept."""
    with stage.target.open() as (connection, reader):
        while not over.is_set():
            began = time.monotonic()
            connection.sendall(request("GET", "/metrics", headers) * ahead)
            for _ in range(ahead):
                answer = read(reader)
                tally.scrapes.append(time.monotonic() - began)
                yield answer
            if "Connection" in headers:
                return


def _check_health(stage: Stage, tally: Tally, over: threading.Event) -> None:
    while not over.wait(HEALTH_SECONDS):
        tally.time(tally.health, "/-/healthy", lambda: stage.get("/-/healthy").status, 200)


def _reload(stage: Stage, tally: Tally, over: threading.Event) -> None:
    """Change the configuration every second: twice by signal, twice by request, and every fifth file is broken."""
    for turn in count():
        if over.wait(RELOAD_SECONDS):
            return
        broken, by_signal = turn % 5 == 4, turn // 2 % 2 == 0
        stage.configure(BROKEN if broken else stage.fleet.config(MARKERS[turn % 2]))
        tally.refused, tally.loaded = tally.refused + broken, tally.loaded + (not broken)
        if by_signal:
            stage.process.send_signal(signal.SIGHUP)
        else:
            tally.time(tally.reloads, "a reload", stage.reload, 500 if broken else 200)
