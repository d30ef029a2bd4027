"""Complete dashboards: panels on Grafana's grid, and the properties that all dashboards share."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.monitoring.dashboards.panels import Model, Panel
from exporter.monitoring.dashboards.variables import DATA_SOURCES, release_matchers, releases
from exporter.monitoring.selection import Selection

COLUMNS: Final = 24
TAG: Final = "aws-iot-bulk"
# The schema of Grafana 10.4. Newer versions migrate it on load. Older versions have the same panels.
SCHEMA_VERSION: Final = 39

# The uids of the dashboards. Links and bookmarks contain them, so they must not change.
FLEET: Final = "aws-iot-bulk-fleet"
OPERATION: Final = "aws-iot-bulk-operation"
EXPORTER: Final = "aws-iot-bulk-exporter"

# The links to the other dashboards. They keep the variables and the time range.
LINKS: Final[Model] = {
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


@dataclass(frozen=True, slots=True)
class Row:
    """Panels of one height, from left to right. They wrap at the end of a line. A title starts a section."""

    height: int
    panels: tuple[Panel, ...]
    title: str = ""


def dashboard(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Model],
    rows: Sequence[Row],
    since: str,
    selection: Selection,
    annotations: Sequence[Model] = (),
) -> str:
    """Return a dashboard as a JSON file for Grafana. Its default time range starts at ``since``.

    The variables of the data source and of the releases come first. All other queries use them.
    """
    chosen = selection.narrowed(release_matchers(selection.grouping))
    model: Model = {
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
        "links": [LINKS],
        "annotations": {"list": list(annotations)},
        "templating": {
            "list": [
                DATA_SOURCES,
                *(_selected_variable(variable, selection) for variable in releases(selection.grouping)),
                *(_selected_variable(variable, chosen) for variable in variables),
            ]
        },
        "panels": [_selected_panel(panel, chosen) for panel in _positioned_panels(rows)],
    }
    return json.dumps(model, indent=2, ensure_ascii=False) + "\n"


def _selected_variable(variable: Model, selection: Selection) -> Model:
    if variable["type"] != "query":
        return variable
    query = variable["query"]
    return {**variable, "query": {**query, "query": selection.apply(query["query"])}}


def _selected_panel(panel: Model, selection: Selection) -> Model:
    targets = [{**target, "expr": selection.apply(target["expr"])} for target in panel.get("targets", ())]
    return {**panel, "targets": targets} if targets else panel


def _positioned_panels(rows: Sequence[Row]) -> Iterator[Model]:
    """Yield the panels with their ids and positions, from top to bottom."""
    id, top = 1, 0
    for row in rows:
        if row.title:
            yield _section(id, row.title, top)
            id, top = id + 1, top + 1
        left = 0
        for panel in row.panels:
            width = panel.width or COLUMNS // len(row.panels)
            if left + width > COLUMNS:
                left, top = 0, top + row.height
            yield panel.model(id, {"x": left, "y": top, "w": width, "h": row.height})
            id, left = id + 1, left + width
        top += row.height


def _section(id: int, title: str, top: int) -> Model:
    position = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {"id": id, "type": "row", "title": title, "collapsed": False, "gridPos": position, "panels": []}
