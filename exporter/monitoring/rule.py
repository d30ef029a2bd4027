"""What a rule is: a recorded query or an alert, with placeholders for what users may set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template
from typing import Literal

from exporter.kinds.metric import IDENTITY
from exporter.metrics.self_metrics import API, CELL

Operator = Literal[">", "<"]
NoData = Literal["OK", "Alerting"]
QueryError = Literal["KeepLast", "Error"]
Unit = Literal["", "ratio", "seconds"]
Group = Literal["aws-iot-bulk-operations", "aws-iot-bulk-exporter"]

OF_OPERATION = IDENTITY
OF_CELL = CELL
OF_API = API
OF_TARGET = ("job", "instance")
VARIABLES: Mapping[str, str] = {
    "aws_account_id": "account",
    "aws_region": "region",
    "kind": "kind",
    "id": "id",
    "instance": "instance",
}
"""The labels that a dashboard has a variable for, and what that is called."""
WIDTH = 100_000
"""Columns after which YAML would break a line: never within a query."""

_HUMANIZED: Mapping[Unit, str] = {"": "humanize", "ratio": "humanizePercentage", "seconds": "humanizeDuration"}
_REFERENCE = re.compile(r"(?<!\$)\{(\w+)\}")
_NAME = re.compile(r"[\w:]+")


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule, named level:metric:operation, and what its value is."""

    name: str
    query: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert: a query, and the comparison apart from it, because Grafana compares in a node of its own.

    ``labels`` are those that the query keeps. Texts refer to them as ``{label}``, and to the value as ``{value}``,
    shown by its ``unit``. A threshold in seconds is a time. ``no_data`` and ``query_error`` are for Grafana, which asks
    what an empty answer and a failed query mean; in Prometheus neither ever fires.
    """

    name: str
    group: Group
    query: str
    labels: tuple[str, ...]
    severity: str
    summary: str
    description: str
    dashboard: str
    operator: Operator = ">"
    threshold: float = 0
    unit: Unit = ""
    for_: str = "0s"
    # A restart of the exporter interrupts the rows; without this each one would resolve the alert and page again.
    keep_firing_for: str = "15m"
    no_data: NoData = "OK"
    # A query that fails says nothing about an operation, so it may neither page for one nor resolve it.
    query_error: QueryError = "KeepLast"

    @property
    def expression(self) -> str:
        """The whole condition as PromQL."""
        return f"{self.operand} {self.operator} {self.threshold:.15g}"

    @property
    def operand(self) -> str:
        """The query as it may stand before a comparison."""
        return self.query if _NAME.fullmatch(self.query) else f"({self.query})"

    def annotations(self, value: str) -> dict[str, str]:
        """Return the texts as Go templates, as both formats want them; ``value`` is how the format calls the value."""
        known = ((VARIABLES[label], label) for label in self.labels if label in VARIABLES)
        links = "&".join(f"var-{variable}={{{{ $labels.{label} | urlquery }}}}" for variable, label in known)
        return {
            "summary": self.summary,
            "description": _REFERENCE.sub(lambda match: self._reference(match[1], value), self.description),
            "runbook_url": f"${{runbooks}}/{self.name}.md",
            "dashboard_url": f"${{dashboards}}/d/{self.dashboard}{'?' if links else ''}{links}",
        }

    def _reference(self, name: str, value: str) -> str:
        said = f"{value} | {_HUMANIZED[self.unit]}" if name == "value" else f"$labels.{name}"
        return f"{{{{ {said} }}}}"


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule, with the values of the placeholders in queries and texts, ``${stalled}``."""

    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]
    parameters: Mapping[str, str]
    labels: Mapping[str, str]

    def filled(self, text: str) -> str:
        """Return a text with its placeholders filled in; ``$labels`` and ``$value`` are Go's and stay."""
        return Template(text).safe_substitute(self.parameters)

    def resolved(self) -> Rules:
        """Return the same rules with no placeholder left in a query."""
        records = tuple(replace(one, query=self.filled(one.query)) for one in self.records)
        alerts = tuple(replace(one, query=self.filled(one.query)) for one in self.alerts)
        return replace(self, records=records, alerts=alerts)

    def of_group(self, group: str) -> tuple[Alert, ...]:
        """Return the alerts of one group."""
        return tuple(alert for alert in self.alerts if alert.group == group)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of alerts, in the order of the table."""
        return tuple(dict.fromkeys(alert.group for alert in self.alerts))


def by(labels: Sequence[str]) -> str:
    """Return a clause of PromQL that keeps these labels."""
    return f"by ({', '.join(labels)})"


def on(labels: Sequence[str]) -> str:
    """Return a clause of PromQL that matches by these labels."""
    return f"on ({', '.join(labels)})"
