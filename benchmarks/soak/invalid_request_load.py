"""Invalid requests for every route, on many connections. The last request of each connection is valid."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

from benchmarks import harness
from benchmarks.soak.invalid_requests import invalid_request
from benchmarks.soak.part_result import PartResult
from benchmarks.soak.process_usage import sampled_usage, usage_table
from benchmarks.soak.programs import ExporterUnderLoad
from benchmarks.soak.raw_http import SOCKET_TIMEOUT, Target
from benchmarks.soak.scrape_checks import new_checker
from benchmarks.soak.sizes import Sizes

SEED = 20261122
WORKERS = 8
# Requests that are sent on one connection without waiting for responses.
MAX_PIECES = 5
# After this request the server must close the connection.
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
NO_RESPONSE = "closed without a response"
HUNG = f"not closed after {SOCKET_TIMEOUT:.0f} s"
# Allowed statuses: 503 for a probe during too many other probes, and 505 for an unknown version of HTTP.
ALLOWED = ("503", "505")


def run(exporter: ExporterUnderLoad, sizes: Sizes) -> PartResult:
    """Return the statuses of the responses, and the process usage before and after."""
    checker, before = new_checker(exporter.fleet, exporter.get()), exporter.usage()
    lines, responses = len(exporter.log_lines()), Counter[str]()
    with sampled_usage(exporter.process.pid) as samples, ThreadPoolExecutor(WORKERS) as pool:
        for statuses in pool.map(lambda seed: _send(exporter.target, seed, sizes.garbage // WORKERS), range(WORKERS)):
            responses += statuses
    after = exporter.usage_after_load(before)
    log_lines = exporter.log_lines()[lines:]
    failures = [
        f"{number} times: {response}"
        for response, number in responses.items()
        if response[0] == "5" and response not in ALLOWED
    ]
    failures += [HUNG] * (HUNG in responses) + checker.faults(exporter.get()) + exporter.leaks(before, after)
    if log_lines:
        failures.append(f"invalid requests caused {len(log_lines)} log lines, such as {log_lines[0]}")
    rows: list[tuple[str, ...]] = [(response, f"{number:,}") for response, number in sorted(responses.items())]
    memory = usage_table(
        "memory, files and threads", [("before", [before]), ("during the load", samples), ("after", [after])]
    )
    table = harness.table((f"{sizes.garbage:,} invalid requests, responses", "number"), rows)
    return PartResult(f"{table}\n\nLines in the log: {len(log_lines)}.\n\n{memory}", tuple(failures))


def _send(target: Target, seed: int, number: int) -> Counter[str]:
    """Send this number of requests, and return the number of responses by status."""
    random, responses = Random(SEED + seed), Counter[str]()
    while number > 0:
        requests = [invalid_request(random) for _ in range(min(number, random.randint(1, MAX_PIECES)))]
        number -= len(requests)
        responses.update(_responses(target, b"".join(requests)))
    return responses


def _responses(target: Target, requests: bytes) -> Iterator[str]:
    with target.connect() as connection:
        # The server may close the connection before it has received everything. Responses can be lost then.
        sending = threading.Thread(target=_send_all, args=(connection, requests + LAST))
        sending.start()
        received, closed = _receive_all(connection)
        sending.join()
    statuses = [status.decode() for status in STATUS.findall(received)]
    yield from statuses if closed else [*statuses, HUNG]
    if closed and not statuses:
        yield NO_RESPONSE


def _send_all(connection: socket.socket, sent: bytes) -> None:
    with suppress(OSError):
        connection.sendall(sent)


def _receive_all(connection: socket.socket) -> tuple[bytes, bool]:
    """Return the data until the server closes the connection, and whether it closes it in time."""
    received = b""
    try:
        while part := connection.recv(1 << 20):
            received += part
    except TimeoutError:
        return received, False
    except ConnectionError:
        pass
    return received, True
