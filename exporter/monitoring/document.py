"""Tables for docs/monitoring.md, so that it cannot tell another story than the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from exporter.kinds.kind import Kind
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.records import records
from exporter.monitoring.rule import Alert
from exporter.monitoring.settings import Parameters


def alerts_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the alerts with their runbooks, when they fire and how loudly, in Markdown."""
    rows = ((_linked(one), one.severity, f"{one.operator} {one.threshold:g}", one.for_, one.summary) for one in ALERTS)
    return _table(("alert", "severity", "threshold", "for", "what it says"), rows)


def parameters_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the parameters with their defaults, in Markdown."""
    fields = Parameters.model_fields.items()
    rows = ((f"`{name}`", f"`{field.default}`", field.description or "") for name, field in fields)
    return _table(("parameter", "default", "meaning"), rows)


def records_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the recording rules of these kinds, in Markdown."""
    return _table(("recorded", "value"), ((f"`{one.name}`", one.help) for one in records(kinds)))


def _linked(alert: Alert) -> str:
    return f"[{alert.name}](runbooks/{alert.name}.md)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
