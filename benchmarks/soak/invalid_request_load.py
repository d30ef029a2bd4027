"""Nonsense for every route, on many connections, each of which ends with a question that is none."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

from benchmarks import harness
from benchmarks.soak.invalid_requests import nonsense
from benchmarks.soak.load import line
from benchmarks.soak.part_result import Outcome
from benchmarks.soak.process_usage import watching
from benchmarks.soak.programs import Stage
from benchmarks.soak.raw_http import PATIENCE, Target
from benchmarks.soak.scrape_checks import judge
from benchmarks.soak.sizes import Sizes

SEED = 20261122
WORKERS = 8
MOST_AT_ONCE = 5
"""Pieces that are sent on one connection without waiting."""
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""Whatever came before, the server has to end the connection after this."""
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
ENDED = "ended without an answer"
HUNG = f"went on for {PATIENCE:.0f} s"
ALLOWED = ("503", "505")
"""Answers that may be given: to a probe while too many operations are read, and to a version of HTTP that is none."""


def run(stage: Stage, sizes: Sizes) -> Outcome:
    """Return what was answered, and whether the exporter is what it was before."""
    referee, before = judge(stage.fleet, stage.get()), stage.vitals()
    lines, answers = len(stage.logged()), Counter[str]()
    with watching(stage.process.pid) as seen, ThreadPoolExecutor(WORKERS) as pool:
        for found in pool.map(lambda seed: _send(stage.target, seed, sizes.garbage // WORKERS), range(WORKERS)):
            answers += found
    after = stage.settled(before)
    logged = stage.logged()[lines:]
    broken = [
        f"{number} times: {answer}" for answer, number in answers.items() if answer[0] == "5" and answer not in ALLOWED
    ]
    broken += [HUNG] * (HUNG in answers) + referee.faults(stage.get()) + stage.leaks(before, after)
    if logged:
        broken.append(f"strangers wrote {len(logged)} lines into the log, as {logged[0]}")
    rows: list[tuple[str, ...]] = [(answer, f"{number:,}") for answer, number in sorted(answers.items())]
    memory = harness.rows(
        ("memory, files and threads", "resident", "proportional (PSS)", "file descriptors", "threads"),
        [line("before", [before]), line("meanwhile", seen), line("after", [after])],
    )
    table = harness.rows((f"{sizes.garbage:,} pieces of garbage, answers", "number"), rows)
    return Outcome(f"{table}\n\nLines in the log: {len(logged)}.\n\n{memory}", tuple(broken))


def _send(target: Target, seed: int, number: int) -> Counter[str]:
    """Send so many pieces; return how often there was which answer."""
    random, answers = Random(SEED + seed), Counter[str]()
    while number > 0:
        pieces = [nonsense(random) for _ in range(min(number, random.randint(1, MOST_AT_ONCE)))]
        number -= len(pieces)
        answers.update(_answers(target, b"".join(pieces)))
    return answers


def _answers(target: Target, sent: bytes) -> Iterator[str]:
    with target.connect() as connection:
        # It may be refused before all of it is sent, and what was answered may be lost by that.
        sending = threading.Thread(target=_push, args=(connection, sent + LAST))
        sending.start()
        received, ended = _received(connection)
        sending.join()
    statuses = [status.decode() for status in STATUS.findall(received)]
    yield from statuses if ended else [*statuses, HUNG]
    if ended and not statuses:
        yield ENDED


def _push(connection: socket.socket, sent: bytes) -> None:
    with suppress(OSError):
        connection.sendall(sent)


def _received(connection: socket.socket) -> tuple[bytes, bool]:
    """Return what the server sends until it ends the connection, and whether it did."""
    received = b""
    try:
        while part := connection.recv(1 << 20):
            received += part
    except TimeoutError:
        return received, False
    except ConnectionError:
        pass
    return received, True
