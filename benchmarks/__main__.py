"""Runs all benchmarks, or the named ones, and prints their tables."""

import os
import sys
from collections.abc import Callable, Mapping

from benchmarks import (
    calls,
    capacity,
    cpu,
    disk,
    fill,
    hanging_scope,
    page_latency,
    rendering,
    restart,
    scopes,
    series,
    start,
)

REPORTS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "start": ("Start and memory", start.report),
    "calls": ("API calls per scrape", calls.report),
    "fill": ("The first fill", fill.report),
    "disk": ("The state file", disk.report),
    "hanging": ("A scope that hangs", hanging_scope.report),
    "answering": ("AWS hangs everywhere", page_latency.report),
    "rendering": ("The text of /metrics", rendering.report),
    "restart": ("A restart with finished operations", restart.report),
    "series": ("Series in Prometheus", series.report),
    "scopes": ("Many scopes", scopes.report),
    "capacity": ("Capacity", capacity.report),
    "cpu": ("CPU of an API call", cpu.report),
}


def main(names: list[str]) -> None:
    """Print a table for each benchmark."""
    print(f"{os.cpu_count()} processors", flush=True)
    for name in names or REPORTS:
        title, report = REPORTS[name]
        print(f"\n## {title}\n\n{report()}", flush=True)


main(sys.argv[1:])
