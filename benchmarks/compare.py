"""Runs benchmarks of two commits in turn: ``python -m benchmarks.compare BASE [NAME...]`` prints the ratios.

Each commit has its own copy and its own virtual environment. Each benchmark runs twice for both commits, in the order
base, new, new, base, so that a slow change of the machine's load affects both alike.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

from benchmarks import harness
from benchmarks.reports import REPORTS

ROOT = Path(__file__).parents[1]
NEW = "HEAD"
PYTHON = ".venv/bin/python"
FIGURE = re.compile(r"(-?[\d,]+(?:\.\d+)?)(?: ([^\d]+))?")

# The figures of a table by row and column, each with its unit.
Figures = Mapping[tuple[str, str], tuple[float, str]]


def main(base: str, *names: str) -> None:
    """Print a table for each benchmark. Raises SystemExit for a name that is no benchmark."""
    if unknown := set(names) - set(REPORTS):
        raise SystemExit(f"{', '.join(sorted(unknown))}: expected any of {', '.join(REPORTS)}")
    with _copy(base) as before, _copy(NEW) as after:
        for name in names or REPORTS:
            runs = [
                (folder, figures(_output(folder, PYTHON, "-m", "benchmarks", name)))
                for folder in (before, after, after, before)
            ]
            old, new = ([table for folder, table in runs if folder is commit] for commit in (before, after))
            print(f"## {REPORTS[name][0]} (`{name}`)\n\n{comparison(old, new)}\n", flush=True)


def figures(output: str) -> Figures:
    """Return the figures of a Markdown table by the first cell of their row and the head of their column."""
    lines = [line.strip().strip("|").split("|") for line in output.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return {
        (row[0], column): (float(match[1].replace(",", "")), match[2] or "")
        for row in rows
        for column, cell in zip(head[1:], row[1:], strict=False)
        if (match := FIGURE.fullmatch(cell))
    }


def comparison(before: Sequence[Figures], after: Sequence[Figures]) -> str:
    """Return a Markdown table of the means of both commits and their ratios, for figures that all runs have."""
    common = [key for key in before[0] if all(key in run for run in (*before, *after))]
    rows: list[tuple[str, ...]] = []
    for row, column in common:
        old, new = (mean(run[row, column][0] for run in runs) for runs in (before, after))
        units = {run[row, column][1] for run in (*before, *after)}
        # The means of figures with several units, such as s and ms, say nothing.
        ratio = f"{new / old:.2f}" if old and len(units) == 1 else ""
        rows.append((row, column, f"{old:g}", f"{new:g}", " or ".join(sorted(units)), ratio))
    return harness.table(("row", "figure", "base", "new", "unit", "ratio"), rows)


@contextmanager
def _copy(commit: str) -> Iterator[Path]:
    """Yield a copy of a commit with its virtual environment. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        revision = _output(ROOT, "git", "rev-parse", f"{commit}^{{commit}}").strip()
        _output(ROOT, "git", "clone", "--quiet", "--no-checkout", str(ROOT), folder)
        _output(Path(folder), "git", "checkout", "--quiet", "--detach", revision)
        _output(Path(folder), "make", "--silent", ".venv/.dev")
        yield Path(folder)


def _output(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
