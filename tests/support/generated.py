"""The parts of pages that follow from the code: printed anew by ``python -m tests.support.generated``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exporter.documents import kinds_table, metrics_table
from exporter.kind import Kind
from exporter.kinds import KINDS
from exporter.monitoring.document import alerts_table, parameters_table, records_table
from tests.support.processes import ROOT

Tables = Mapping[str, Callable[[Sequence[Kind[Any]]], str]]

PAGES: Mapping[Path, Tables] = {
    ROOT / "README.md": {"kinds": kinds_table, "metrics": metrics_table},
    ROOT / "docs" / "monitoring.md": {
        "alerts": alerts_table,
        "parameters": parameters_table,
        "records": records_table,
    },
}


def with_tables(page: Path) -> str:
    """Return the text of a page with each table between its marks, ``<!-- kinds -->`` and ``<!-- end -->``."""
    text = page.read_text(encoding="utf-8")
    for name, table in PAGES[page].items():
        marked = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
        assert len(marked.findall(text)) == 1, name
        before, after = marked.split(text)
        text = f"{before}<!-- {name} -->\n{table(KINDS)}\n<!-- end -->{after}"
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page), encoding="utf-8")
