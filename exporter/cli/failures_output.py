"""Failed items as a table for people, as JSON, and as CSV for spreadsheets."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from exporter.cli.words import quantity
from exporter.collector.failures import Failures
from exporter.core.clock import rfc3339
from exporter.core.log import printable
from exporter.core.model import CellKey, ItemCounts
from exporter.metrics.reasons import grouped

COLUMNS = ("item", "state", "reason", "at", "attempt")
# A spreadsheet takes a cell that begins with one of these for a formula. Some also take the full-width characters.
FORMULA_STARTS = (*"=+-@\t\r|%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# The longest line of the table with the reason of an item. JSON and CSV have the whole reason.
MAX_CELL_LENGTH = 100


def table_text(key: CellKey, failures: Failures) -> str:
    """Return the groups and the items as plain text for a terminal."""
    groups = [(str(group.count), group.reason, ", ".join(group.examples)) for group in grouped(failures.items)]
    items = [(item.item, item.state, _text(item.attempt), _time(item.at), item.reason) for item in failures.items]
    parts = [_summary(key, failures)]
    if items:
        parts.append(_table(("COUNT", "REASON", "EXAMPLES"), groups))
        parts.append(_table(("ITEM", "STATE", "ATTEMPT", "AT", "REASON"), items))
    if failures.omitted:
        parts.append(f"{quantity(failures.omitted, 'further failure')} omitted; a larger --limit lists more.\n")
    return "\n".join(parts)


def json_text(key: CellKey, failures: Failures) -> str:
    """Return one JSON object, which contains only ASCII characters."""
    content = {
        "operation": {
            "kind": key.kind,
            "id": failures.operation.id,
            "account": key.account,
            "aws_account_id": failures.scope.account_id,
            "aws_region": key.region,
            "status": failures.operation.status,
            "failed": failures.counts.failed,
            "possibly_failed": failures.counts.possibly_failed,
            "failed_executions": failures.counts.failed_executions,
        },
        "groups": [asdict(group) for group in grouped(failures.items)],
        "items": [{**asdict(item), "at": _time(item.at) or None} for item in failures.items],
        "complete": failures.complete,
        "omitted": failures.omitted,
    }
    return json.dumps(content, indent=2) + "\n"


def csv_text(key: CellKey, failures: Failures) -> str:
    """Return a row for each item, with a header. No cell can be a formula of a spreadsheet."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for item in failures.items:
        rows.writerow(
            _csv_cell(cell) for cell in (item.item, item.state, item.reason, _time(item.at), _text(item.attempt))
        )
    return text.getvalue()


FORMATS: Mapping[str, Callable[[CellKey, Failures], str]] = {"table": table_text, "json": json_text, "csv": csv_text}


def _summary(key: CellKey, failures: Failures) -> str:
    operation = f"{key.kind} {failures.operation.id} in {key.account} {key.region} is {failures.operation.status}."
    return printable(f"{operation} {_counted(failures.counts)} {_listed(failures)}") + "\n"


def _counted(counts: ItemCounts) -> str:
    if counts.failed is None:
        return "AWS sends no number of failed items."
    most = f" to {counts.failed + counts.possibly_failed:,}" if counts.possibly_failed else ""
    if counts.failed_executions is not None:
        executions = quantity(counts.failed_executions, "failed execution")
        return f"AWS counts {executions}. By its counts, {counts.failed:,}{most} items failed finally."
    return f"AWS counts {counts.failed:,}{most} failed items."


def _listed(failures: Failures) -> str:
    listed, distinct = len(failures.items), failures.distinct
    # With retries, an item can have several failed executions.
    of_items = f" of {quantity(distinct, 'item')}" if distinct < listed else ""
    return f"{quantity(listed, 'failure')} listed{of_items}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, *([_table_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "".join(f"{line}\n" for line in _lines(cells, widths))


def _lines(cells: Iterable[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _table_cell(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= MAX_CELL_LENGTH else f"{shown[: MAX_CELL_LENGTH - 3]}..."


def _csv_cell(text: str) -> str:
    shown = printable(text)
    # The quote makes it a text. OWASP: https://owasp.org/www-community/attacks/CSV_Injection
    return "".join(f"'{part}" if part.lstrip(" \"'").startswith(FORMULA_STARTS) else part for part in _parts(shown))


def _parts(text: str) -> list[str]:
    """Return the parts after each semicolon, with it. In many countries, a spreadsheet begins a new cell there."""
    return re.split("(?<=;)", text)


def _time(when: datetime | None) -> str:
    return rfc3339(when) if when else ""


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
