"""The printed dashboards and their parts."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exporter.cli.commands.show import MONITORING
from exporter.monitoring.settings import UNCHANGED
from tests.support.prometheus import History
from tests.support.repository import ROOT

FOLDER: Path = ROOT / "monitoring" / "dashboards"
PRINTED: Mapping[str, dict[str, Any]] = {
    subject: json.loads(printed(UNCHANGED))
    for subject, printed in MONITORING.items()
    if subject.startswith("dashboard")
}

# Grafana replaces a variable with this value if All is chosen.
EVERYTHING = dict.fromkeys(("job", "namespace", "cluster", "instance", "account", "region", "kind"), ".*")


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


def with_variables(
    text: str, dashboard: Mapping[str, Any], chosen: Mapping[str, str], time_range: float = 3600.0
) -> str:
    """Return a query with the values of its variables. ``time_range`` is the range of the dashboard in seconds."""
    intervals = {
        name: variable["current"]["value"]
        for name, variable in variables(dashboard).items()
        if variable["type"] == "interval"
    }
    of_range = {"__range": f"{time_range:.0f}s", "__range_s": f"{time_range:.0f}", "__rate_interval": "4m"}
    values = {**EVERYTHING, **intervals, **chosen, **of_range}
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values[match[1]], text)


def query_result(
    history: History,
    dashboard: Mapping[str, Any],
    target: Mapping[str, Any],
    chosen: Mapping[str, str],
    time_range: float = 3600.0,
) -> Any:
    """Return the series of a query of a panel."""
    query = with_variables(target["expr"], dashboard, chosen, time_range)
    return history.now(query) if target["instant"] else history.over_time(query, time_range)
