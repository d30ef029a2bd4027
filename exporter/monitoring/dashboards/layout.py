"""Whole dashboards: panels on Grafana's grid, and what every dashboard has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exporter.monitoring.dashboards.panels import Model, Panel

COLUMNS: Final = 24
TAG: Final = "aws-iot-bulk"
SCHEMA_VERSION: Final = 39
"""Grafana 10.4's model. Younger ones bring it up to date by themselves; the ones before have the same panels."""

FLEET: Final = "aws-iot-bulk-fleet"
OPERATION: Final = "aws-iot-bulk-operation"
EXPORTER: Final = "aws-iot-bulk-exporter"
"""The dashboards' uids, which links and bookmarks hold on to."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels of one height from left to right, on as many lines as they need; a title begins a section."""

    height: int
    panels: tuple[Panel, ...]
    title: str = ""


def dashboard(
    uid: str, title: str, description: str, variables: Sequence[Model], rows: Sequence[Row], since: str
) -> Model:
    """Return a dashboard that shows, at first, the time from ``since`` on."""
    return {
        "uid": uid,
        "id": None,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "refresh": "1m",
        "links": [_links()],
        "annotations": {"list": []},
        "templating": {"list": list(variables)},
        "panels": list(placed(rows)),
    }


def _links() -> Model:
    """Return the links to the other dashboards, which take along what is chosen."""
    return {
        "type": "dashboards",
        "title": "AWS IoT bulk operations",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def placed(rows: Sequence[Row]) -> Iterator[Model]:
    """Yield the panels with numbers and places, from top to bottom."""
    id, top = 1, 0
    for row in rows:
        if row.title:
            yield _section(id, row.title, top)
            id, top = id + 1, top + 1
        left = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top = 0, top + row.height
            yield panel.model(id, {"x": left, "y": top, "w": panel.width, "h": row.height})
            id, left = id + 1, left + panel.width
        top += row.height


def _section(id: int, title: str, top: int) -> dict[str, Any]:
    return {
        "id": id,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        "panels": [],
    }
