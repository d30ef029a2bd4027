"""The dashboards keep the rules that keep a dashboard usable: none of them needs a Grafana to be checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from exporter.kinds.metric import IDENTITY
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.metrics.self_metrics import API, CELL, PREFIX
from exporter.monitoring.grafana import FOLDER as FOLDER_OF_ALERTS
from tests.support.dashboards import FOLDER, PRINTED, panels, queries, variables
from tests.support.repository import ROOT

GRID = 24
LONGEST_UID = 40
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SHOWN_NOW = {"stat", "table"}
SHOWN_OVER_TIME = {"timeseries", "state-timeline", "heatmap"}
DOCUMENTED: dict[str, str] = dict(
    re.findall(r"^\| `(\w+)` \|.*?(?:\((\w+)\))? \|$", metrics_document(KINDS), re.MULTILINE)
)
METRIC = re.compile(r"\b(?:aws|process)_\w+")
VARIABLE = re.compile(r"\$\{?(\w+)")
GRAFANA_S_OWN = {"__rate_interval", "__range"}
RANGE = re.compile(r"\[([^\]]*)\]|offset (\S+)")

every_dashboard = pytest.mark.parametrize("dashboard", PRINTED.values(), ids=PRINTED)
Dashboard = dict[str, Any]


def expressions(dashboard: Dashboard) -> Iterator[str]:
    """Yield every query of the panels and of the variables."""
    yield from (target["expr"] for _, target in queries(dashboard))
    yield from (one["query"]["query"] for one in variables(dashboard).values() if one["type"] == "query")


def overrides(panel: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each override of a panel is for, and its properties."""
    for override in panel["fieldConfig"]["overrides"]:
        yield override["matcher"]["options"], {one["id"]: one["value"] for one in override["properties"]}


def test_each_dashboard_has_a_uid_and_a_title_of_its_own_and_a_file_of_that_name() -> None:
    uids = [dashboard["uid"] for dashboard in PRINTED.values()]
    assert len(set(uids)) == len({dashboard["title"] for dashboard in PRINTED.values()}) == len(PRINTED) == 3
    assert max(map(len, uids)) <= LONGEST_UID
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(f"{uid}.json" for uid in uids)


@every_dashboard
def test_a_dashboard_can_be_provisioned_as_it_is(dashboard: Dashboard) -> None:
    assert dashboard["id"] is None
    assert not dashboard.keys() & {"__inputs", "__requires", "version"}
    assert dashboard["description"].endswith(".")


@every_dashboard
def test_panels_and_queries_are_told_apart(dashboard: Dashboard) -> None:
    ids = Counter(panel["id"] for panel in dashboard["panels"])
    assert set(ids.values()) == {1}
    for panel in panels(dashboard):
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0


@every_dashboard
def test_no_two_panels_overlap_and_none_leaves_the_grid(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    taken = Counter(
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert set(taken.values()) == {1}
    assert all(0 <= x < GRID for x, _ in taken)


@every_dashboard
def test_every_panel_says_what_it_shows_in_which_unit_and_what_an_empty_one_means(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert defaults["unit"]
        assert (defaults["noValue"] == "-") == (panel["type"] == "table")
        assert defaults["noValue"]
        assert defaults["thresholds"]["steps"][0]["value"] is None


@every_dashboard
def test_everything_asks_the_data_source_that_is_chosen(dashboard: Dashboard) -> None:
    asked = [panel["datasource"] for panel in panels(dashboard)]
    asked += [target["datasource"] for _, target in queries(dashboard)]
    asked += [one["datasource"] for one in variables(dashboard).values() if one["type"] == "query"]
    assert [one for one in asked if one != DATA_SOURCE] == []
    assert next(iter(variables(dashboard))) == "datasource"


@every_dashboard
def test_figures_and_tables_ask_for_now_and_everything_else_over_time(dashboard: Dashboard) -> None:
    for panel, target in queries(dashboard):
        assert panel["type"] in SHOWN_NOW | SHOWN_OVER_TIME
        assert target["instant"] is (panel["type"] in SHOWN_NOW)
        assert target["range"] is not target["instant"]
        assert (target["format"] == "table") == (panel["type"] == "table")
        assert (target["format"] == "heatmap") == (panel["type"] == "heatmap")


@every_dashboard
def test_no_span_of_time_is_fixed_and_counters_are_only_seen_as_rates(dashboard: Dashboard) -> None:
    for expression in expressions(dashboard):
        spans = {one or other for one, other in RANGE.findall(expression)}
        assert [span for span in spans if not span.startswith("$")] == []
        rates = re.findall(r"rate\((\w+)\{[^}]*\}\[\$__rate_interval\]\)", expression)
        counters = [name for name in METRIC.findall(expression) if _type_of(name) in ("counter", "histogram")]
        assert counters == rates


def _type_of(name: str) -> str:
    return DOCUMENTED.get(name.removesuffix("_bucket"), "")


@every_dashboard
def test_queries_name_nothing_but_metrics_that_the_exporter_has(dashboard: Dashboard) -> None:
    labels = {*IDENTITY, *CELL, *API}
    named = {name for expression in expressions(dashboard) for name in METRIC.findall(expression)} - labels
    assert {name for name in named if name.removesuffix("_bucket") not in DOCUMENTED} == set()
    assert ":" not in "".join(re.findall(r"[a-z:_]+", " ".join(expressions(dashboard))))


def test_every_metric_is_on_some_dashboard() -> None:
    shown = {name for one in PRINTED.values() for expression in expressions(one) for name in METRIC.findall(expression)}
    left_out = {"process_virtual_memory_bytes", "process_max_fds", f"{PREFIX}state_file_restored_operations_total"}
    probes = {name for name in DOCUMENTED if "_exporter_probe_" in name}  # nothing scrapes them unasked
    assert DOCUMENTED.keys() - {name.removesuffix("_bucket") for name in shown} == left_out | probes


@every_dashboard
def test_every_variable_is_used_and_every_one_that_is_used_is_there(dashboard: Dashboard) -> None:
    used = {name for expression in expressions(dashboard) for name in VARIABLE.findall(expression)} - GRAFANA_S_OWN
    assert used == variables(dashboard).keys() - {"datasource"}


@every_dashboard
def test_a_variable_follows_the_time_range_and_depends_on_earlier_ones_only(dashboard: Dashboard) -> None:
    earlier: set[str] = {*GRAFANA_S_OWN}
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query":
            assert variable["refresh"] == 2
            assert set(VARIABLE.findall(variable["query"]["query"])) <= earlier
            assert (variable.get("allValue") == ".*") == variable["includeAll"] == variable["multi"]
        assert variable["label"]
        assert variable["description"].endswith(".")
        earlier.add(name)


@every_dashboard
def test_several_values_are_matched_as_a_regular_expression_and_one_to_the_letter(dashboard: Dashboard) -> None:
    several = {name for name, one in variables(dashboard).items() if one.get("multi")}
    for _, target in queries(dashboard):
        for operator, name in re.findall(r'(=~?)"\$(\w+)"', target["expr"]):
            assert operator == ("=~" if name in several else "=")


@every_dashboard
def test_a_table_shows_columns_that_its_queries_give_each_under_a_name_of_its_own(dashboard: Dashboard) -> None:
    for panel in (one for one in panels(dashboard) if one["type"] == "table"):
        references = {f"Value #{target['refId']}" for target in panel["targets"]}
        titles = [properties["displayName"] for _, properties in overrides(panel)]
        assert {field for field, _ in overrides(panel) if field.startswith("Value")} <= references
        assert len(set(titles)) == len(titles)
        assert {one["displayName"] for one in panel["options"]["sortBy"]} <= set(titles)
        assert [one["id"] for one in panel["transformations"]] == ["merge", "filterFieldsByName", "organize"]


@every_dashboard
def test_every_dashboard_leads_to_the_others_with_what_is_chosen(dashboard: Dashboard) -> None:
    (link,) = dashboard["links"]
    assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
    assert all(set(link["tags"]) <= set(other["tags"]) for other in PRINTED.values())


def test_a_row_of_the_overview_leads_to_its_operation() -> None:
    (table,) = (one for one in panels(PRINTED["dashboard"]) if one["type"] == "table" and one["title"] == "Operations")
    shown = dict(overrides(table))
    (link,) = shown["id"]["links"]
    path, _, parameters = link["url"].partition("?")
    target = PRINTED["dashboard-operation"]
    assert path == f"/d/{target['uid']}"
    assert parameters.startswith("${datasource:queryparam}&${__url_time_range}&")
    passed = dict(re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+):percentencode\}", parameters))
    assert passed.keys() == {name for name, one in variables(target).items() if one["type"] == "query"}
    assert set(passed.values()) <= shown.keys()


def test_the_guide_names_every_dashboard_and_variable() -> None:
    guide = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    for subject, dashboard in PRINTED.items():
        assert f"| `{dashboard['uid']}` | `show {subject}` |" in guide
        for variable in variables(dashboard).values():
            assert re.search(rf"^\|[^|]*\b{variable['label']}\b[^|]*\|", guide, re.MULTILINE)
    linked = re.findall(r"/d/([\w-]+)\?(\S+)`", guide)
    assert [uid for uid, _ in linked] == [PRINTED["dashboard-operation"]["uid"]]
    assert set(re.findall(r"var-(\w+)=", linked[0][1])) <= variables(PRINTED["dashboard-operation"]).keys()


def test_the_provider_loads_them_into_the_folder_of_the_alerts() -> None:
    text = (ROOT / "monitoring" / "grafana-dashboards.yaml").read_text(encoding="utf-8")
    (provider,) = yaml.safe_load(text)["providers"]
    assert (provider["type"], provider["folder"]) == ("file", FOLDER_OF_ALERTS)
    assert provider["options"]["path"].startswith("/")
