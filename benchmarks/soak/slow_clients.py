"""Clients that hold a connection and do nothing with it, while others scrape."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from benchmarks import harness
from benchmarks.soak.load import line
from benchmarks.soak.part_result import TIMES, Outcome, percentiles
from benchmarks.soak.process_usage import watching
from benchmarks.soak.programs import Stage
from benchmarks.soak.raw_http import Target
from benchmarks.soak.scrape_checks import Judge, judge
from benchmarks.soak.sizes import Sizes

SCRAPE_SECONDS = 0.25
SMALL = 4096
"""Bytes that clients take in without reading them."""
HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


@dataclass(slots=True)
class Crowd:
    """Connections that send something first and something more in each turn, and are opened again when they end."""

    title: str
    target: Target
    number: int
    first: bytes
    then: bytes
    turn: float = 1.0
    opened: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        """Hold the connections until told to stop."""
        held: list[socket.socket] = []
        while not self.over.is_set():
            held = [one for one in held if self._goes_on(one)]
            held += filter(None, (self._open() for _ in range(self.number - len(held))))
            self.over.wait(self.turn)
        for one in held:
            one.close()

    def _open(self) -> socket.socket | None:
        with ExitStack() as stack, suppress(OSError):
            if not self.over.is_set():
                connection = stack.enter_context(self.target.connect(SMALL))
                connection.sendall(self.first)
                self.opened += 1
                stack.pop_all()
                return connection
        return None

    def _goes_on(self, connection: socket.socket) -> bool:
        """Send more; tell whether the server keeps the connection."""
        with suppress(OSError):
            if _is_open(connection):
                connection.sendall(self.then)
                return True
        connection.close()
        return False


def _is_open(connection: socket.socket) -> bool:
    """Tell whether the other side goes on, whatever there may be to read."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return not any(event & ENDED for _, event in poll.poll(0))


def run(stage: Stage, sizes: Sizes) -> Outcome:
    """Return how scrapes fared meanwhile, and what was left of the slow ones."""
    referee, before = judge(stage.fleet, stage.get()), stage.vitals()
    seconds, faults = list[float](), Counter[str]()
    with watching(stage.process.pid) as seen, _crowds(stage.target, sizes) as crowds:
        until = time.monotonic() + sizes.slow_seconds
        while time.monotonic() < until:
            seconds.append(_scrape(stage, referee, faults))
            time.sleep(SCRAPE_SECONDS)
    after = stage.settled(before)
    scrapes = harness.rows(
        (f"a scrape at a time, {sizes.slow_seconds} s", *TIMES), [("scrapes", *percentiles(seconds))]
    )
    slow: list[tuple[str, ...]] = [(one.title, f"{one.number}", f"{one.opened:,}") for one in crowds]
    held = harness.rows(("slow connections", "at once", "opened in all"), slow)
    memory = harness.rows(
        ("memory, files and threads", "resident", "proportional (PSS)", "file descriptors", "threads"),
        [line("before", [before]), line("meanwhile", seen), line("after", [after])],
    )
    told = (f"{fault} ({number} times)" for fault, number in faults.items())
    return Outcome(f"{scrapes}\n\n{held}\n\n{memory}", (*told, *stage.leaks(before, after)))


def _scrape(stage: Stage, referee: Judge, faults: Counter[str]) -> float:
    began = time.monotonic()
    try:
        faults.update(referee.faults(stage.get()))
    except OSError as error:
        faults[f"a scrape ended with {error!r}"] += 1
    return time.monotonic() - began


@contextmanager
def _crowds(target: Target, sizes: Sizes) -> Iterator[list[Crowd]]:
    """Let the slow ones come while the block runs; the silent ones do not even begin TLS."""
    half = sizes.slow // 2
    crowds = [
        Crowd("that send nothing", replace(target, tls=None), half, b"", b""),
        Crowd("that send a byte of a head every second", target, sizes.slow - half, HEAD, b"x"),
        Crowd("that ask and never read", target, sizes.unread, REQUEST, b"", turn=10.0),
    ]
    threads = [threading.Thread(target=crowd.hold) for crowd in crowds]
    for thread in threads:
        thread.start()
    try:
        yield crowds
    finally:
        for crowd in crowds:
            crowd.over.set()
        for thread in threads:
            thread.join()
