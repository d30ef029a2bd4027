"""The texts of alerts as Go templates, for Prometheus and for Grafana.

A text refers to a label of the alert as ``{label}``, to its value as ``{value}``, and to a further series of its
operation or cell by a name in ``LOOKUPS``. Such a series may not exist. Its references are in square brackets, and the
part in brackets is left out without the series.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from exporter.monitoring import records as recorded
from exporter.monitoring.promql import CELL_LABELS, INFO, OPERATION_LABELS, SAME_OPERATION, by

Unit = Literal["", "count", "ratio", "seconds"]

_FORMATTERS: Mapping[Unit, str] = {
    "": "humanize",
    "count": 'printf "%.0f"',
    "ratio": "humanizePercentage",
    "seconds": "humanizeDuration",
}
_REFERENCE = re.compile(r"(?<!\$)\{(\w+)\}")
_OPTIONAL = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Lookup:
    """A series of the alert's operation or cell: a label of it, or its value as a whole number without ``label``.

    ``labels`` identify the operation or the cell.
    """

    metric: str
    label: str = ""
    labels: tuple[str, ...] = OPERATION_LABELS


INFO_LABELS = ("name", "target", "input", "reason_code")
LOOKUPS: Mapping[str, Lookup] = {
    **{label: Lookup(INFO, label) for label in INFO_LABELS},
    "failed": Lookup(recorded.FAILED_ITEMS),
    "processed": Lookup(recorded.PROCESSED_ITEMS),
    "unfinished": Lookup(recorded.UNDER_WAY),
    # The first one of several reasons.
    "reason": Lookup(recorded.CELL_REASONS, "reason", CELL_LABELS),
}


class TextFormat(Protocol):
    """The template expressions of one file format. ``value`` is the one for the value of the alert."""

    @property
    def value(self) -> str: ...

    def declarations(self, lookups: Mapping[str, Lookup]) -> Iterable[str]:
        """Return the actions before a text with these lookups."""

    def conditions(self, name: str, lookup: Lookup) -> tuple[str, str]:
        """Return two nested conditions. The second one is the text of the lookup."""


class PrometheusFormat:
    """Templates of Prometheus. They query the series.

    Syntax: https://prometheus.io/docs/prometheus/latest/configuration/template_reference/
    """

    value = "$value"

    def declarations(self, lookups: Mapping[str, Lookup]) -> Iterable[str]:
        """Return a query for each metric."""
        for id, lookup in lookups.items():
            matchers = ", ".join(f"{label}=%q" for label in lookup.labels)
            arguments = " ".join(f"$labels.{label}" for label in lookup.labels)
            order = f' | sortByLabel "{lookup.label}"' if lookup.label else ""
            yield f'$of_{id} := printf "{lookup.metric}{{{matchers}}}" {arguments} | query{order}'

    def conditions(self, name: str, lookup: Lookup) -> tuple[str, str]:
        """Return conditions that are false if the query returned nothing, or the label is empty."""
        text = f'label "{lookup.label}"' if lookup.label else 'value | printf "%.0f"'
        return f"$of_{reference_id(lookup)}", f"${name} := . | first | {text}"


class GrafanaFormat:
    """Templates of Grafana. They cannot query series, so the rule has a query for each metric.

    Syntax: https://grafana.com/docs/grafana/latest/alerting/alerting-rules/templates/reference/
    """

    value = "$values.A.Value"

    def declarations(self, lookups: Mapping[str, Lookup]) -> Iterable[str]:
        """Return nothing: a text refers to the queries of the rule."""
        return ()

    def conditions(self, name: str, lookup: Lookup) -> tuple[str, str]:
        """Return conditions that are false if the query returns nothing for the alert, or the label is empty."""
        text = f".Labels.{lookup.label}" if lookup.label else 'printf "%.0f" .Value'
        return f"$values.{reference_id(lookup)}", f"${name} := {text}"


def reference_id(lookup: Lookup) -> str:
    """Return the id of Grafana's query for a lookup."""
    return next(name for name, known in LOOKUPS.items() if known.metric == lookup.metric)


def lookup_query(lookup: Lookup) -> str:
    """Return the series of a lookup for all cells, or for all operations that may have an alert."""
    if lookup.labels != OPERATION_LABELS:
        return lookup.metric
    labels = by((*OPERATION_LABELS, *INFO_LABELS))
    series = f"max {labels} ({lookup.metric})" if lookup.label else lookup.metric
    return f"{series} and {SAME_OPERATION} {recorded.RECENT}"


def lookups_in(text: str) -> Mapping[str, Lookup]:
    """Return the lookups that a text refers to, each metric once, by the id of Grafana's query."""
    found = (LOOKUPS[name] for name in _REFERENCE.findall(text) if name in LOOKUPS)
    return {reference_id(lookup): lookup for lookup in found}


def template(text: str, unit: Unit, target: TextFormat) -> str:
    """Return a text as a template. The value is formatted by its unit."""
    optional = _OPTIONAL.sub(lambda match: _conditional(match[1], target), text)
    declared = _actions(target.declarations(lookups_in(text)))
    return declared + _REFERENCE.sub(lambda match: _reference(match[1], unit, target), optional)


def _conditional(text: str, target: TextFormat) -> str:
    names = list(dict.fromkeys(name for name in _REFERENCE.findall(text) if name in LOOKUPS))
    conditions = [condition for name in names for condition in target.conditions(name, LOOKUPS[name])]
    return f"{_actions(f'with {condition}' for condition in conditions)}{text}{_actions('end' for _ in conditions)}"


def _actions(actions: Iterable[str]) -> str:
    return "".join(f"{{{{ {action} }}}}" for action in actions)


def _reference(name: str, unit: Unit, target: TextFormat) -> str:
    if name == "value":
        return _actions([f"{target.value} | {_FORMATTERS[unit]}"])
    return _actions([f"${name}" if name in LOOKUPS else f"$labels.{name}"])
