"""Memory, file descriptors and threads of a process, read from /proc."""

import statistics
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness

INTERVAL = 1.0
MINUTE = 60


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """The usage of a process at a time in monotonic seconds. Memory is in MiB."""

    at: float
    resident: float
    proportional: float
    files: int
    threads: int


def read_usage(pid: int) -> ProcessUsage:
    """Return the current usage of a process."""
    process = Path("/proc") / str(pid)
    status = _fields(process / "status")
    return ProcessUsage(
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
def sampled_usage(pid: int) -> Iterator[list[ProcessUsage]]:
    """Sample the usage once a second during the block, and once at its end. The list grows meanwhile."""
    samples, stopped = [read_usage(pid)], threading.Event()

    def sample() -> None:
        while not stopped.wait(INTERVAL):
            samples.append(read_usage(pid))

    with harness.running_threads([sample], stopped.set):
        yield samples
    samples.append(read_usage(pid))


def minutes(samples: Sequence[ProcessUsage]) -> list[list[ProcessUsage]]:
    """Return the samples by minute. The last minute is joined to the one before if it is shorter than half a minute."""
    groups: list[list[ProcessUsage]] = []
    for sample in samples:
        begins = (sample.at - samples[0].at) >= MINUTE * len(groups)
        if begins and (not groups or samples[-1].at - sample.at > MINUTE / 2):
            groups.append([])
        groups[-1].append(sample)
    return groups


def slope(samples: Sequence[ProcessUsage]) -> float:
    """Return the growth of resident memory in KiB per minute, by least squares."""
    line = statistics.linear_regression(
        [sample.at / MINUTE for sample in samples], [sample.resident * 1024 for sample in samples]
    )
    return line.slope


def usage_table(title: str, rows: Iterable[tuple[str, Sequence[ProcessUsage]]]) -> str:
    """Return a table with the means of memory and the ranges of files and threads."""
    header = (title, "resident", "proportional (PSS)", "file descriptors", "threads")
    return harness.table(header, [_row(name, usages) for name, usages in rows])


def _row(name: str, usages: Sequence[ProcessUsage]) -> tuple[str, ...]:
    return (
        name,
        f"{mean_resident(usages):.0f} MiB",
        f"{statistics.fmean(usage.proportional for usage in usages):.0f} MiB",
        _range([usage.files for usage in usages]),
        _range([usage.threads for usage in usages]),
    )


def mean_resident(usages: Sequence[ProcessUsage]) -> float:
    """Return the mean of the resident memory, in MiB."""
    return statistics.fmean(usage.resident for usage in usages)


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
