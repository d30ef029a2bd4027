"""The variables that choose what a dashboard shows, each from what the ones before it leave over."""

from __future__ import annotations

from typing import Any, Final

from exporter.monitoring.dashboards.panels import DATA_SOURCE
from exporter.monitoring.dashboards.queries import INFO, UP

Model = dict[str, Any]

WITH_THE_TIME_RANGE: Final = 2
BY_NAME: Final = 1
LABEL_VALUES: Final = 1
QUERY_RESULT: Final = 3
"""What Grafana's editor takes a query for: the values of a label, or the result of any query."""

DATA_SOURCES: Final[Model] = {
    "name": "datasource",
    "label": "Data source",
    "description": "The Prometheus that scrapes the exporter.",
    "type": "datasource",
    "query": "prometheus",
    "current": {"text": "default", "value": "default"},
    "options": [],
    "refresh": 1,
    "multi": False,
    "includeAll": False,
}


def accounts(several: bool) -> Model:
    """Return the choice of accounts: shown by the names of the configuration, picked by AWS's numbers."""
    query = f"query_result(max by (account, aws_account_id) (last_over_time({UP}[$__range])))"
    return {
        **_query("account", "Account", "AWS accounts, by their names in the exporter's configuration.", query, several),
        "query": _asked(query, QUERY_RESULT),
        "regex": '/account="(?<text>[^"]*)".*aws_account_id="(?<value>[^"]+)"/',
    }


def regions(several: bool) -> Model:
    """Return the choice of Regions that the accounts are watched in."""
    query = f'label_values({UP}{{aws_account_id=~"$account"}}, aws_region)'
    return _query("region", "Region", "AWS Regions that the exporter watches.", query, several)


def kinds(several: bool) -> Model:
    """Return the choice of kinds that are watched there."""
    query = f'label_values({UP}{{aws_account_id=~"$account", aws_region=~"$region"}}, kind)'
    return _query("kind", "Kind", "Kinds of bulk operation.", query, several)


def operations() -> Model:
    """Return the choice of one operation out of those that had rows in the time range."""
    query = f'label_values({INFO}{{aws_account_id="$account", aws_region="$region", kind="$kind"}}, id)'
    return _query("id", "Operation", "The id of the operation at AWS.", query, several=False)


def instances() -> Model:
    """Return the choice of exporters, by the label that Prometheus gives each of its targets."""
    query = f"label_values({UP}, instance)"
    return _query("instance", "Exporter", "Exporters, by Prometheus's label instance.", query, several=True)


def windows() -> Model:
    """Return the choice of the window over which a pace is measured."""
    return _span("window", "Pace over", "How far back the pace and the estimated end look.", "5m,15m,30m,1h,6h", "15m")


def stalled() -> Model:
    """Return the choice of how long nothing may move."""
    return _span("stalled", "Stalled after", "How long nothing moves until it is stalled.", "15m,30m,1h,3h,12h", "30m")


def _span(name: str, label: str, description: str, spans: str, chosen: str) -> Model:
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "interval",
        "query": spans,
        "current": {"text": chosen, "value": chosen, "selected": True},
        "options": [{"text": one, "value": one, "selected": one == chosen} for one in spans.split(",")],
        "refresh": WITH_THE_TIME_RANGE,
    }


def _query(name: str, label: str, description: str, query: str, several: bool) -> Model:
    every: Model = {
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
    }
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": dict(DATA_SOURCE),
        "query": _asked(query, LABEL_VALUES),
        "regex": "",
        "refresh": WITH_THE_TIME_RANGE,
        "sort": BY_NAME,
        "multi": several,
        "includeAll": several,
        **(every if several else {}),
    }


def _asked(query: str, editor: int) -> Model:
    return {"qryType": editor, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
