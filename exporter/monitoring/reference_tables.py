"""The generated Markdown tables of docs/monitoring.md. They follow the rules, so that the page cannot differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.promql import Kinds
from exporter.monitoring.records import records
from exporter.monitoring.settings import Parameters


def alerts_table(kinds: Kinds) -> str:
    """Return a table of the alerts, with links to their runbooks."""
    rows = ((_link(alert), alert.severity, _threshold(alert), alert.for_, alert.summary) for alert in ALERTS)
    return _table(("alert", "severity", "threshold", "for", "meaning"), rows)


def parameters_table(kinds: Kinds) -> str:
    """Return a table of the parameters with their defaults."""
    fields = Parameters.model_fields.items()
    rows = ((f"`{name}`", f"`{field.default}`", field.description or "") for name, field in fields)
    return _table(("parameter", "default", "meaning"), rows)


def records_table(kinds: Kinds) -> str:
    """Return a table of the recording rules of these kinds."""
    return _table(("metric", "value"), ((f"`{record.name}`", record.help) for record in records(kinds)))


def _link(alert: Alert) -> str:
    return f"[{alert.name}](runbooks/{alert.name}.md)"


def _threshold(alert: Alert) -> str:
    return f"{alert.operator} {alert.threshold:g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
