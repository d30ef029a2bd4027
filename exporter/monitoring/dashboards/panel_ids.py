"""The ids of the panels, by the uid of the dashboard and the title of the panel."""

import json
from collections.abc import Mapping

from exporter.monitoring.dashboards.exporter import exporter_dashboard
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from exporter.monitoring.promql import Kinds


def panel_ids(kinds: Kinds) -> Mapping[str, Mapping[str, int]]:
    """Return the ids of the panels. Grafana opens a panel by its id."""
    texts = (fleet_dashboard(kinds), operation_dashboard(kinds), exporter_dashboard())
    dashboards = map(json.loads, texts)
    return {board["uid"]: {panel["title"]: panel["id"] for panel in board["panels"]} for board in dashboards}
