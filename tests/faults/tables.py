"""Prints the tables of docs/tested-faults.md: the observation of each fault and kind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter.kinds.kind import DISCOVER, Kind
from exporter.kinds.registry import KINDS
from tests.faults.fault_table import FAULTS, Case, Fault, cases
from tests.faults.network import SERVICES, WIRE_FAULTS, uses, wire_case
from tests.faults.observation import FEWER, FRESH, KEPT, NONE, UNKNOWN, UNTAGGED, Observation
from tests.faults.scopes import SCOPE_FAULTS, scope_case
from tests.support.generated_documents import MARKS, text_with_part
from tests.support.repository import ROOT

FILE = ROOT / "docs" / "tested-faults.md"
NAME = "faults"
Results = Mapping[str, Observation]
# The observations in one field of a table, each with the name of what had the fault.
Field = Sequence[tuple[str, Observation]]

# The words for an operation's series during a fault and after ``stale_after``.
ROWS = {
    (FRESH, FRESH): "fresh",
    (KEPT, NONE): "kept",
    (NONE, NONE): "none yet",
    (UNTAGGED, UNTAGGED): "fresh, no tags",
    (UNKNOWN, UNKNOWN): "fresh, `Unknown`",
    (FEWER, FEWER): "fresh, no counts",
}


def page_with_tables(results: Results) -> str:
    """Return the whole page with the tables of these results."""
    begin, end = MARKS[FILE.suffix]
    return text_with_part(FILE.read_text(encoding="utf-8"), NAME, "\n".join(_lines(results)), begin, end)


def _lines(results: Results) -> Iterator[str]:
    isolated = sum(not result.hurt for result in results.values())
    recovered = sum(result.back == 1 for result in results.values())
    yield f"Of {len(results)} combinations, {isolated} affected no other cell and no other operation."
    yield f"{recovered} recovered with the first refresh after the end of the fault."
    calls = {fault.name: [_of_calls(fault, kind, results) for kind in KINDS] for fault in FAULTS}
    yield from _table("fault of a call", calls)
    scopes = {fault.name: [[("", results[scope_case(fault, kind)])] for kind in KINDS] for fault in SCOPE_FAULTS}
    yield from _table("fault of an account", scopes)
    wires = {
        fault.name: [
            [(service, results[wire_case(fault, service, kind)]) for service in SERVICES if uses(kind, service)]
            for kind in KINDS
        ]
        for fault in WIRE_FAULTS
    }
    yield from _table("fault of the network", wires)


def _of_calls(fault: Fault, kind: Kind[Any], results: Results) -> Field:
    return [(_label(case), results[case.name]) for case in cases(kind) if case.fault == fault]


def _label(case: Case) -> str:
    """Return the purpose of a call, or its name if several calls have the same purpose."""
    if len(case.kind.purposes[case.purpose]) > 1:
        return case.call.name
    return "list" if case.purpose == DISCOVER else case.purpose


def _table(title: str, rows: Mapping[str, Sequence[Field]]) -> Iterator[str]:
    yield ""
    yield f"| {title} | `up` | reason | refreshes to recover | {' | '.join(f'`{kind.name}`' for kind in KINDS)} |"
    yield "|---" * (4 + len(KINDS)) + "|"
    for name, fields in rows.items():
        yield f"| {name} | {' | '.join((*_shared(fields), *map(_rows, fields)))} |"


def _shared(fields: Sequence[Field]) -> tuple[str, str, str]:
    """Return ``up``, the reason and the refreshes to recover, which are normally the same for all kinds."""
    results = [result for field in fields for _, result in field]
    reasons = _distinct(f"`{reason}`" for result in results for reason in result.reasons)
    refreshes = _distinct(f"{result.back}" for result in results if not result.up)
    return _distinct(f"{result.up:d}" for result in results), reasons, refreshes


def _rows(field: Field) -> str:
    """Return the state of the series for each name in a field. Names with the same state share one entry."""
    by_rows: dict[str, list[str]] = {}
    for name, result in field:
        states = (result.rows, result.later)
        names = by_rows.setdefault(ROWS.get(states, f"{result.rows}, then {result.later}"), [])
        names += [name] if name not in names else []
    return "; ".join(f"{', '.join(names)}: {rows}".removeprefix(": ") for rows, names in by_rows.items()) or "n/a"


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
