"""``python -m tests.faults`` tries everything, and writes what was seen into docs/reliability.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tests.faults.document import FILE, written
from tests.faults.matrix import Part, parts, pool, seen_in
from tests.faults.observation import Seen


def main() -> int:
    """Return 0 if all came to what it should, else 1."""
    results: dict[str, Seen] = {}
    wrong = 0
    with pool() as processes:
        everything = parts()
        for part, seen in zip(everything, processes.map(seen_in, [part.name for part in everything]), strict=True):
            results |= seen
            wrong += _report(part, seen)
    FILE.write_text(written(results), encoding="utf-8")
    print(f"{len(results)} combinations, {wrong} of them not as they should be")
    return 1 if wrong else 0


def _report(part: Part, seen: Mapping[str, Seen]) -> int:
    """Print how a part went; return how many of its cases came to something else."""
    print(f"{part.name}: {len(seen)}", flush=True)
    differing = [name for name, wanted in part.expected.items() if seen[name] != wanted]
    for name in differing:
        print(f"  {name}\n    seen     {seen[name]}\n    expected {part.expected[name]}", flush=True)
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())
