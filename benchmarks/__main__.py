"""Run every measurement and print its table."""

from __future__ import annotations

import os

from benchmarks import start


def main() -> None:
    """Print what is measured, on this machine, now."""
    print(f"{os.cpu_count()} processors; medians of {start.RUNS} pairs after a warm-up\n")
    print("## Start and memory\n")
    print(start.table(start.measure()))


main()
