"""The parts of the README that follow from the kinds: printed anew by ``python -m tests.support.generated``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exporter.documents import kinds_table, metrics_table
from exporter.kind import Kind
from exporter.kinds import KINDS
from tests.support.processes import ROOT

README = ROOT / "README.md"
TABLES: Mapping[str, Callable[[Sequence[Kind[Any]]], str]] = {"kinds": kinds_table, "metrics": metrics_table}


def with_tables(text: str) -> str:
    """Return a text with each table between its marks, ``<!-- kinds -->`` and ``<!-- end -->``."""
    for name, table in TABLES.items():
        marked = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
        assert len(marked.findall(text)) == 1, name
        before, after = marked.split(text)
        text = f"{before}<!-- {name} -->\n{table(KINDS)}\n<!-- end -->{after}"
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
