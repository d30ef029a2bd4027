"""What a process holds: memory, file descriptors and threads, from /proc, while something goes on."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 1.0
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a process holds at a moment, monotonic seconds; memory in MiB."""

    at: float
    resident: float
    proportional: float
    files: int
    threads: int


def look(pid: int) -> Vitals:
    """Return what a process holds now."""
    process = Path("/proc") / str(pid)
    status = _fields(process / "status")
    return Vitals(
        at=time.monotonic(),
        resident=status["VmRSS"] / 1024,
        proportional=_fields(process / "smaps_rollup")["Pss"] / 1024,
        files=sum(1 for _ in (process / "fd").iterdir()),
        threads=status["Threads"],
    )


def _fields(file: Path) -> dict[str, int]:
    split = (line.partition(":") for line in file.read_text().splitlines())
    words = ((name, value.split()) for name, _, value in split)
    return {name: int(value[0]) for name, value in words if value and value[0].isdigit()}


@contextmanager
def watching(pid: int) -> Iterator[list[Vitals]]:
    """Look once a second while the block runs; the list grows, and has one more look of the end."""
    seen, over = [look(pid)], threading.Event()

    def watch() -> None:
        while not over.wait(INTERVAL):
            seen.append(look(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.append(look(pid))


def minutes(seen: Sequence[Vitals]) -> list[list[Vitals]]:
    """Return the looks by the minute in which they were made; one that has only begun belongs to the one before."""
    found: list[list[Vitals]] = []
    for one in seen:
        begun = (one.at - seen[0].at) >= MINUTE * len(found)
        if begun and (not found or seen[-1].at - one.at > MINUTE / 2):
            found.append([])
        found[-1].append(one)
    return found


def slope(seen: Sequence[Vitals]) -> float:
    """Return by how many KiB a minute resident memory grows, by least squares."""
    line = statistics.linear_regression([one.at / MINUTE for one in seen], [one.resident * 1024 for one in seen])
    return line.slope
