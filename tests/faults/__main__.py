"""``python -m tests.faults`` runs the whole matrix and writes its tables into docs/tested-faults.md."""

import sys
from collections.abc import Mapping

from tests.faults.matrix import Part, observations_of, parts, pool
from tests.faults.observation import Observation
from tests.faults.tables import FILE, page_with_tables


def main() -> int:
    """Return 0 if every observation is the expected one, else 1."""
    results: dict[str, Observation] = {}
    wrong = 0
    with pool() as processes:
        everything = parts()
        observed = processes.map(observations_of, [part.name for part in everything])
        for part, observations in zip(everything, observed, strict=True):
            results |= observations
            wrong += _report(part, observations)
    FILE.write_text(page_with_tables(results), encoding="utf-8")
    print(f"{len(results)} combinations, {wrong} of them with an unexpected observation")
    return 1 if wrong else 0


def _report(part: Part, observations: Mapping[str, Observation]) -> int:
    """Print the result of a part; return the number of its unexpected observations."""
    print(f"{part.name}: {len(observations)}", flush=True)
    differing = [name for name, wanted in part.expected.items() if observations[name] != wanted]
    for name in differing:
        print(f"  {name}\n    observed {observations[name]}\n    expected {part.expected[name]}", flush=True)
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())
