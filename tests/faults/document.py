"""The tables of docs/reliability.md: fault by kind, and what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter.kinds.kind import DISCOVER, Kind
from exporter.kinds.registry import KINDS
from tests.faults.fault_table import FAULTS, Case, Fault, cases
from tests.faults.network import SERVICES, WIRE_FAULTS, uses, wire_case
from tests.faults.observation import FEWER, FRESH, KEPT, NONE, UNKNOWN, UNTAGGED, Seen
from tests.faults.scopes import SCOPE_FAULTS, scope_case
from tests.support.generated_documents import MARKS, text_with_part
from tests.support.repository import ROOT

FILE = ROOT / "docs" / "reliability.md"
NAME = "faults"
Results = Mapping[str, Seen]
Told = Sequence[tuple[str, Seen]]
"""What was seen in one cell of a table, each with what broke there."""

ROWS = {
    (FRESH, FRESH): "fresh",
    (KEPT, NONE): "kept",
    (NONE, NONE): "none yet",
    (UNTAGGED, UNTAGGED): "fresh, no tags",
    (UNKNOWN, UNKNOWN): "fresh, `Unknown`",
    (FEWER, FEWER): "fresh, no counts",
}
"""What is written of rows during a fault and after ``stale_after``."""


def written(results: Results) -> str:
    """Return the whole document with the tables of these results."""
    begin, end = MARKS[FILE.suffix]
    return text_with_part(FILE.read_text(encoding="utf-8"), NAME, "\n".join(_lines(results)), begin, end)


def _lines(results: Results) -> Iterator[str]:
    untouched = sum(not seen.hurt for seen in results.values())
    back = sum(seen.back == 1 for seen in results.values())
    yield f"Of {len(results)} combinations {untouched} left every other cell and operation untouched, and {back} were"
    yield "back with the first refresh after the fault had ended."
    calls = {fault.name: [_of_calls(fault, kind, results) for kind in KINDS] for fault in FAULTS}
    yield from _table("of a call", calls)
    scopes = {fault.name: [[("", results[scope_case(fault, kind)])] for kind in KINDS] for fault in SCOPE_FAULTS}
    yield from _table("of an account", scopes)
    wires = {
        fault.name: [
            [(service, results[wire_case(fault, service, kind)]) for service in SERVICES if uses(kind, service)]
            for kind in KINDS
        ]
        for fault in WIRE_FAULTS
    }
    yield from _table("of the network", wires)


def _of_calls(fault: Fault, kind: Kind[Any], results: Results) -> Told:
    return [(_label(case), results[case.name]) for case in cases(kind) if case.fault == fault]


def _label(case: Case) -> str:
    """Return what a call is for, or its name where several are for the same."""
    if len(case.kind.purposes[case.purpose]) > 1:
        return case.call.name
    return "list" if case.purpose == DISCOVER else case.purpose


def _table(title: str, rows: Mapping[str, Sequence[Told]]) -> Iterator[str]:
    yield ""
    yield f"| {title} | `up` | reason | back after | {' | '.join(f'`{kind.name}`' for kind in KINDS)} |"
    yield "|---" * (4 + len(KINDS)) + "|"
    for name, told in rows.items():
        yield f"| {name} | {' | '.join((*_shared(told), *map(_rows, told)))} |"


def _shared(told: Sequence[Told]) -> tuple[str, str, str]:
    """Return ``up``, the reason, and the refreshes until all was well: as a rule the same for all kinds."""
    seen = [one for cell in told for _, one in cell]
    reasons = _distinct(f"`{reason}`" for one in seen for reason in one.reasons)
    return _distinct(f"{one.up:d}" for one in seen), reasons, _distinct(f"{one.back}" for one in seen if not one.up)


def _rows(told: Told) -> str:
    """Return what became of the rows, by what broke; what came to the same stands together."""
    by_rows: dict[str, list[str]] = {}
    for what, seen in told:
        names = by_rows.setdefault(ROWS.get((seen.rows, seen.later), f"{seen.rows}, then {seen.later}"), [])
        names += [what] if what not in names else []
    return "; ".join(f"{', '.join(names)}: {rows}".removeprefix(": ") for rows, names in by_rows.items()) or "n/a"


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
