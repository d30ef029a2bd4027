"""Runs all benchmarks, or the named ones, and prints their tables."""

import os
import sys

from benchmarks.reports import REPORTS


def main(names: list[str]) -> None:
    """Print a table for each benchmark."""
    print(f"{os.cpu_count()} processors", flush=True)
    for name in names or REPORTS:
        title, report = REPORTS[name]
        print(f"\n## {title}\n\n{report()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
