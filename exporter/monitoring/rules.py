"""The complete set of rules: recording rules of the kinds, the table of alerts, and the settings of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Template
from typing import Final

from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.promql import Kinds
from exporter.monitoring.records import Record, records
from exporter.monitoring.settings import UNCHANGED, Change, Settings

# YAML breaks a line after this number of columns. It is large, so that no query is broken.
YAML_WIDTH: Final = 100_000
# The annotations with links, by the parameter with the host of the link.
LINKS: Mapping[str, str] = {"runbooks": "runbook_url", "dashboards": "dashboard_url"}


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, and the values of the placeholders such as ``${stalled}`` in their queries and texts."""

    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]
    parameters: Mapping[str, str]
    labels: Mapping[str, str]

    def substitute(self, text: str) -> str:
        """Return a text with the values of its placeholders. ``$labels`` and ``$value`` belong to Go and remain."""
        return Template(text).safe_substitute(self.parameters)

    def with_link_placeholders(self) -> Rules:
        """Return the same rules with a placeholder for the host of each link, for a chart that replaces it."""
        return replace(self, parameters={**self.parameters, **{host: f"${{{host}}}" for host in LINKS}})

    def resolve(self) -> Rules:
        """Return the same rules without placeholders in the queries."""
        records = tuple(replace(record, query=self.substitute(record.query)) for record in self.records)
        alerts = tuple(replace(alert, query=self.substitute(alert.query)) for alert in self.alerts)
        return replace(self, records=records, alerts=alerts)

    def annotations(self, alert: Alert, value: str) -> dict[str, str]:
        """Return the annotations of an alert without placeholders. ``value`` is the format's expression for it."""
        links = {LINKS[host]: link for host, link in alert.links.items() if self.parameters[host]}
        return {name: self.substitute(text) for name, text in (alert.texts(value) | links).items()}

    @property
    def groups(self) -> dict[str, tuple[Alert, ...]]:
        """The alerts by group, in the order of the table."""
        names = dict.fromkeys(alert.group for alert in self.alerts)
        return {name: tuple(alert for alert in self.alerts if alert.group == name) for name in names}


def rules(kinds: Kinds, settings: Settings = UNCHANGED) -> Rules:
    """Return all rules that the settings enable."""
    links = {"runbooks": settings.runbooks or "", "dashboards": settings.dashboards or ""}
    parameters = settings.parameters.model_dump() | links
    changes = ((alert, settings.alerts.get(alert.name, Change())) for alert in ALERTS)
    return Rules(
        records(kinds),
        tuple(change.apply(alert) for alert, change in changes if change.enabled),
        {name: str(value).rstrip("/") for name, value in parameters.items()},
        settings.labels,
    )
