"""Runs all parts, or the named ones, and prints their results. The exit status is 1 after a failure."""

import argparse
import os
import sys
from collections.abc import Sequence

from benchmarks.soak.parts import PARTS
from benchmarks.soak.sizes import FULL, SHORT


def main(arguments: Sequence[str]) -> int:
    """Print the tables of each part, and return 1 after a failure, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"One of {', '.join(PARTS)}; all parts if omitted.")
    parser.add_argument("--short", action="store_true", help="Run for seconds instead of minutes, as the tests do.")
    parsed = parser.parse_args(arguments)
    print(f"{os.cpu_count()} processors", flush=True)
    failures = []
    for name in parsed.parts or PARTS:
        title, run = PARTS[name]
        result = run(SHORT if parsed.short else FULL)
        print(f"\n## {title}\n\n{result.report}", flush=True)
        failures += [f"{name}: {failure}" for failure in result.failures]
    print(*("", *failures) if failures else ("\nNo failures.",), sep="\n")
    return 1 if failures else 0


sys.exit(main(sys.argv[1:]))
