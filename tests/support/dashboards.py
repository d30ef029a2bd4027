"""The printed dashboards and their parts."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exporter.cli.commands.show import MONITORING
from exporter.monitoring.settings import UNCHANGED
from tests.support.repository import ROOT

FOLDER: Path = ROOT / "monitoring" / "dashboards"
PRINTED: Mapping[str, dict[str, Any]] = {
    subject: json.loads(printed(UNCHANGED))
    for subject, printed in MONITORING.items()
    if subject.startswith("dashboard")
}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels, without the titles of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def panel_titled(subject: str, title: str) -> dict[str, Any]:
    """Return the panel of a printed dashboard that has this title."""
    (panel,) = (panel for panel in panels(PRINTED[subject]) if panel["title"] == title)
    return panel


def queries(dashboard: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each query with its panel."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel, target


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}
