"""Dashboards for Grafana 10 and newer, printed as JSON; they need the exporter's metrics and no recording rule."""

from __future__ import annotations

import json
from typing import Any

from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.health import exporter_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from exporter.monitoring.dashboards.statuses import Kinds


def fleet(kinds: Kinds) -> str:
    """Return the overview of all operations as a file for Grafana."""
    return _printed(fleet_dashboard(kinds))


def operation(kinds: Kinds) -> str:
    """Return the dashboard of one operation as a file for Grafana."""
    return _printed(operation_dashboard(kinds))


def exporter() -> str:
    """Return the dashboard of the exporter itself as a file for Grafana."""
    return _printed(exporter_dashboard())


def _printed(model: dict[str, Any]) -> str:
    return json.dumps(model, indent=2, ensure_ascii=False) + "\n"
