"""The variables of the dashboards. Each one offers only values that match the variables before it."""

from collections.abc import Sequence
from typing import Final

from exporter.monitoring.dashboards.panels import DATA_SOURCE, Model
from exporter.monitoring.promql import ACCOUNT_ACCESSIBLE, INFO, UP, selector

# Grafana's codes: when to refresh a variable, how to sort it, and the type of its query.
ON_TIME_RANGE_CHANGE: Final = 2
BY_NAME: Final = 1
LABEL_VALUES: Final = 1
QUERY_RESULT: Final = 3

# The names of the variables that do not depend on the settings.
NAMES: Final = frozenset({"datasource", "account", "region", "kind", "id", "instance", "window"})

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


def cells(multiple: bool) -> tuple[Model, ...]:
    """Return the variables of accounts, of their Regions, and of the kinds in these Regions."""
    # The variable shows the names of accounts in the configuration. Its values are their AWS ids.
    # An inaccessible account may have no cell with series.
    known = f"last_over_time({UP}[$__range]) or last_over_time({ACCOUNT_ACCESSIBLE}[$__range])"
    accounts = f"query_result(max by (account, aws_account_id) ({known}))"
    by_name = "AWS accounts, by their names in the exporter's configuration."
    regex = '/account="(?<text>[^"]*)".*aws_account_id="(?<value>[^"]+)"/'
    regions = f'label_values({UP}{{aws_account_id=~"$account"}}, aws_region)'
    kinds = f'label_values({UP}{{aws_account_id=~"$account", aws_region=~"$region"}}, kind)'
    return (
        _query("account", "Account", by_name, accounts, multiple, QUERY_RESULT, regex),
        _query("region", "Region", "AWS Regions that the exporter watches.", regions, multiple),
        _query("kind", "Kind", "Kinds of bulk operation.", kinds, multiple),
    )


def operations() -> Model:
    """Return the variable of one operation in the time range."""
    query = f'label_values({INFO}{{aws_account_id="$account", aws_region="$region", kind="$kind"}}, id)'
    return _query("id", "Operation", "The AWS id of the operation.", query, multiple=False)


def instances() -> Model:
    """Return the variable of exporters."""
    query = f"label_values({UP}, instance)"
    return _query("instance", "Exporter", "Exporters, by Prometheus's label instance.", query, multiple=True)


def releases(grouping: Sequence[str]) -> tuple[Model, ...]:
    """Return the variables of the labels that tell releases of the exporter apart.

    If no exporter has a label, its variable offers only All, which selects series without the label.
    """
    return tuple(
        _query(
            release_variable(label),
            label.replace("_", " ").capitalize(),
            f"Exporters, by Prometheus's label {label}.",
            f"label_values({selector(UP, release_matchers(grouping[:number]))}, {label})",
            multiple=True,
        )
        for number, label in enumerate(grouping)
    )


def release_variable(label: str) -> str:
    """Return the name of the variable of a label. It is the label, unless another variable has this name."""
    return f"{label}_label" if label in NAMES else label


def release_matchers(grouping: Sequence[str]) -> str:
    """Return the matchers for the variables of releases."""
    return ", ".join(f'{label}=~"${release_variable(label)}"' for label in grouping)


def windows() -> Model:
    """Return the variable of the window of rates."""
    durations, chosen = ("5m", "15m", "30m", "1h", "6h"), "15m"
    return {
        "name": "window",
        "label": "Speed window",
        "description": "The time window for the speed and for the estimated end.",
        "type": "interval",
        "query": ",".join(durations),
        "current": {"text": chosen, "value": chosen, "selected": True},
        "options": [{"text": duration, "value": duration, "selected": duration == chosen} for duration in durations],
        "refresh": ON_TIME_RANGE_CHANGE,
    }


def _query(
    name: str, label: str, description: str, query: str, multiple: bool, type: int = LABEL_VALUES, regex: str = ""
) -> Model:
    all_values = {"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"], "selected": True}}
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": dict(DATA_SOURCE),
        "query": {"qryType": type, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": regex,
        "refresh": ON_TIME_RANGE_CHANGE,
        "sort": BY_NAME,
        "multi": multiple,
        "includeAll": multiple,
        **(all_values if multiple else {}),
    }
