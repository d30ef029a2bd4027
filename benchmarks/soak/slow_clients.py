"""Clients that keep a connection open and do not use it, while others scrape."""

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from benchmarks import harness
from benchmarks.soak.part_result import TIMES, PartResult, percentiles
from benchmarks.soak.process_usage import sampled_usage, usage_table
from benchmarks.soak.programs import ExporterUnderLoad
from benchmarks.soak.raw_http import Target
from benchmarks.soak.scrape_checks import ScrapeChecker, new_checker
from benchmarks.soak.sizes import Sizes

SCRAPE_SECONDS = 0.25
# The receive buffer of clients that do not read, in bytes.
SMALL_BUFFER = 4096
HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


@dataclass(slots=True)
class SlowClients:
    """Connections that send data first and more data after each interval. A closed connection is opened again."""

    title: str
    stopped: threading.Event
    target: Target
    number: int
    first: bytes
    next: bytes
    interval: float = 1.0
    opened: int = 0

    def hold(self) -> None:
        """Keep the connections open until ``stopped`` is set."""
        connections: list[socket.socket] = []
        while not self.stopped.is_set():
            connections = [connection for connection in connections if self._send_more(connection)]
            connections += filter(None, (self._open() for _ in range(self.number - len(connections))))
            self.stopped.wait(self.interval)
        for connection in connections:
            connection.close()

    def _open(self) -> socket.socket | None:
        with ExitStack() as stack, suppress(OSError):
            if not self.stopped.is_set():
                connection = stack.enter_context(self.target.connect(SMALL_BUFFER))
                connection.sendall(self.first)
                self.opened += 1
                stack.pop_all()
                return connection
        return None

    def _send_more(self, connection: socket.socket) -> bool:
        """Send more data, and return whether the server keeps the connection."""
        with suppress(OSError):
            if _is_open(connection):
                connection.sendall(self.next)
                return True
        connection.close()
        return False


def _is_open(connection: socket.socket) -> bool:
    """Return whether the server keeps the connection, even with unread data."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return not any(event & ENDED for _, event in poll.poll(0))


def run(exporter: ExporterUnderLoad, sizes: Sizes) -> PartResult:
    """Return the times of scrapes during the load, and the process usage before and after."""
    checker, before = new_checker(exporter.fleet, exporter.get()), exporter.usage()
    seconds, faults = list[float](), Counter[str]()
    with sampled_usage(exporter.process.pid) as samples, _slow_clients(exporter.target, sizes) as groups:
        until = time.monotonic() + sizes.slow_seconds
        while time.monotonic() < until:
            seconds.append(_scrape(exporter, checker, faults))
            time.sleep(SCRAPE_SECONDS)
    after = exporter.usage_after_load(before)
    scrapes = harness.table(
        (f"one scrape at a time, {sizes.slow_seconds} s", *TIMES), [("scrapes", *percentiles(seconds))]
    )
    slow: list[tuple[str, ...]] = [(group.title, f"{group.number}", f"{group.opened:,}") for group in groups]
    connections = harness.table(("slow connections", "at once", "opened in total"), slow)
    memory = usage_table(
        "memory, files and threads", [("before", [before]), ("during the load", samples), ("after", [after])]
    )
    failures = (f"{fault} ({number} times)" for fault, number in faults.items())
    return PartResult(f"{scrapes}\n\n{connections}\n\n{memory}", (*failures, *exporter.leaks(before, after)))


def _scrape(exporter: ExporterUnderLoad, checker: ScrapeChecker, faults: Counter[str]) -> float:
    began = time.monotonic()
    try:
        faults.update(checker.faults(exporter.get()))
    except OSError as error:
        faults[f"a scrape ended with {error!r}"] += 1
    return time.monotonic() - began


@contextmanager
def _slow_clients(target: Target, sizes: Sizes) -> Iterator[list[SlowClients]]:
    """Run the slow clients during the block. Clients that send nothing do not begin TLS."""
    half, stopped = sizes.slow // 2, threading.Event()
    groups = [
        SlowClients("send nothing", stopped, replace(target, tls=None), half, b"", b""),
        SlowClients("send one byte of a header every second", stopped, target, sizes.slow - half, HEAD, b"x"),
        SlowClients("send a request and do not read", stopped, target, sizes.unread, REQUEST, b"", interval=10.0),
    ]
    with harness.running_threads([group.hold for group in groups], stopped.set):
        yield groups
