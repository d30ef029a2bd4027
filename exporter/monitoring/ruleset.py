"""Puts the rules together: records of the kinds, the table of alerts, and what users have set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exporter.kinds.kind import Kind
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.records import records
from exporter.monitoring.rule import Rules
from exporter.monitoring.settings import UNCHANGED, Settings


def rules(kinds: Sequence[Kind[Any]], settings: Settings = UNCHANGED) -> Rules:
    """Return every rule that is switched on."""
    parameters = settings.parameters.model_dump() | {"runbooks": settings.runbooks, "dashboards": settings.dashboards}
    changed = ((alert, settings.change(alert)) for alert in ALERTS)
    return Rules(
        records(kinds),
        tuple(change.of(alert) for alert, change in changed if change.enabled),
        {name: str(value).rstrip("/") for name, value in parameters.items()},
        settings.labels,
    )
