"""The complete set of rules: recording rules of the kinds, the table of alerts, and the settings of users."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.promql import Kinds
from exporter.monitoring.records import Record, records
from exporter.monitoring.selection import EVERY_EXPORTER, add_selector, fill
from exporter.monitoring.settings import UNCHANGED, Change, Settings, parameter_values
from exporter.monitoring.texts import TextFormat, lookups_in

# YAML breaks a line after this number of columns. It is large, so that no query is broken.
YAML_WIDTH: Final = 100_000
# Mimir's default limit (ruler_max_rules_per_rule_group). A longer group is printed as several groups.
MAX_RULES_PER_GROUP: Final = 20
RECORDING_GROUP: Final = "aws-iot-bulk-records"

T = TypeVar("T")
# The annotations with links, by the parameter with the host of the link.
LINKS: Mapping[str, str] = {
    "runbooks": "runbook_url",
    "operations": "operation_url",
    "dashboards": "dashboard_url",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, and the values of the placeholders such as ``${stalled}`` in their queries and texts.

    ``optional`` has the names of the recording rules that no alert needs. If ``with_optional`` is not set, rule files
    do not contain them.
    """

    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]
    parameters: Mapping[str, str]
    labels: Mapping[str, str]
    optional: frozenset[str]
    with_optional: bool
    kinds: Kinds

    def substitute(self, text: str) -> str:
        """Return a text with the values of its placeholders. ``$labels`` and ``$value`` belong to Go and remain."""
        return fill(text, self.parameters)

    def with_chart_placeholders(self) -> Rules:
        """Return the same rules with placeholders for the links and the selection, for a chart that replaces them."""
        names = (*LINKS, "runbook_suffix", *EVERY_EXPORTER.parameters)
        return replace(self, parameters={**self.parameters, **{name: f"${{{name}}}" for name in names}})

    def resolve(self) -> Rules:
        """Return the same rules without placeholders in the queries."""
        records = tuple(replace(record, query=self.substitute(record.query)) for record in self.records)
        alerts = tuple(replace(alert, query=self.substitute(alert.query)) for alert in self.alerts)
        return replace(self, records=records, alerts=alerts)

    def annotations(self, alert: Alert, target: TextFormat) -> dict[str, str]:
        """Return the annotations of an alert without placeholders, in a file format."""
        links = {LINKS[host]: link for host, link in alert.links.items() if self.parameters[host]}
        return {name: self.substitute(text) for name, text in (alert.texts(target) | links).items()}

    @property
    def groups(self) -> dict[str, tuple[Alert, ...]]:
        """The alerts by group, in the order of the table."""
        names = dict.fromkeys(alert.group for alert in self.alerts)
        groups = (_split(name, [alert for alert in self.alerts if alert.group == name]) for name in names)
        return {name: alerts for group in groups for name, alerts in group.items()}

    @property
    def recording_groups(self) -> dict[str, tuple[Record, ...]]:
        """The recording rules by group, with the optional ones."""
        return _split(RECORDING_GROUP, self.records)


def rules(kinds: Kinds, settings: Settings = UNCHANGED) -> Rules:
    """Return all rules that the settings enable."""
    recorded = tuple(replace(record, query=add_selector(record.query)) for record in records(kinds))
    parameters = parameter_values(kinds, settings) | _link_parameters(settings) | settings.selection.parameters
    changes = ((alert, settings.alerts.get(alert.name, Change())) for alert in ALERTS)
    return Rules(
        recorded,
        tuple(_selected(change.apply(alert)) for alert, change in changes if change.enabled),
        {name: value.rstrip("/") for name, value in parameters.items()},
        settings.labels,
        frozenset(_unneeded(recorded)),
        settings.records == "all",
        kinds,
    )


def _link_parameters(settings: Settings) -> dict[str, str]:
    """Return the hosts of the links by name. Without a host, it is empty."""
    exporter = (settings.external_url or "").rstrip("/")
    return {
        "runbooks": settings.runbooks or (exporter and f"{exporter}/runbooks"),
        # A copy of the documents consists of Markdown files. The pages of the exporter have no suffix.
        "runbook_suffix": ".md" if settings.runbooks else "",
        "operations": exporter,
        "dashboards": settings.dashboards or "",
    }


def _selected(alert: Alert) -> Alert:
    return replace(alert, query=add_selector(alert.query))


def _split(name: str, rules: Sequence[T]) -> dict[str, tuple[T, ...]]:
    """Return the rules in groups that are not too long, by name."""
    starts = range(0, len(rules), MAX_RULES_PER_GROUP)
    parts = [tuple(rules[start : start + MAX_RULES_PER_GROUP]) for start in starts]
    return {name if number == 1 else f"{name}-{number}": part for number, part in enumerate(parts, 1)}


def _unneeded(records: Sequence[Record]) -> Iterator[str]:
    """Yield the names of the recording rules that no alert uses, not even through other recording rules."""
    used = {name for alert in ALERTS for name in _names(alert.query)}
    used |= {lookup.metric for alert in ALERTS for lookup in lookups_in(alert.description).values()}
    for record in reversed(records):
        if record.name in used:
            used.update(_names(record.query))
        else:
            yield record.name


def _names(query: str) -> list[str]:
    return re.findall(r"[\w:]+", query)
