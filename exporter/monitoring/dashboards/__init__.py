"""Dashboards for Grafana 10 and newer, printed as JSON. They need the exporter's metrics and no recording rules."""

from __future__ import annotations

import json

from exporter.monitoring.dashboards.exporter import exporter_dashboard
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from exporter.monitoring.dashboards.panels import Model
from exporter.monitoring.promql import Kinds


def fleet_json(kinds: Kinds) -> str:
    """Return the dashboard of all operations as a file for Grafana."""
    return _json(fleet_dashboard(kinds))


def operation_json(kinds: Kinds) -> str:
    """Return the dashboard of one operation as a file for Grafana."""
    return _json(operation_dashboard(kinds))


def exporter_json() -> str:
    """Return the dashboard of the exporter itself as a file for Grafana."""
    return _json(exporter_dashboard())


def _json(model: Model) -> str:
    return json.dumps(model, indent=2, ensure_ascii=False) + "\n"
