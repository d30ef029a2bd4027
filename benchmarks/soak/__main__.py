"""Run all parts, or those that are named, and print what was found; the exit status tells whether all of it held."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from benchmarks.soak.parts import PARTS
from benchmarks.soak.sizes import FULL, SHORT


def main(arguments: Sequence[str]) -> int:
    """Print a table for each part; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without one")
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes, as the tests do")
    asked = parser.parse_args(arguments)
    print(f"{os.cpu_count()} processors", flush=True)
    broken = []
    for name in asked.parts or PARTS:
        title, run = PARTS[name]
        outcome = run(SHORT if asked.short else FULL)
        print(f"\n## {title}\n\n{outcome.report}", flush=True)
        broken += [f"{name}: {one}" for one in outcome.broken]
    print(*("", *broken) if broken else ("\nEverything held.",), sep="\n")
    return 1 if broken else 0


sys.exit(main(sys.argv[1:]))
