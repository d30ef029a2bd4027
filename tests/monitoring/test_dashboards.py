"""The dashboards follow rules that can be checked without Grafana, also for a kind that is new to them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.kinds.kind import ItemSeries, Kind, SeriesSelector
from exporter.kinds.metric import IDENTITY, breakdown, gauge
from exporter.kinds.phase import Phase, phase
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.metrics.self_metrics import API, CELL, PREFIX
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from exporter.monitoring.grafana import FOLDER as FOLDER_OF_ALERTS
from exporter.monitoring.settings import UNCHANGED, parameter_values, parse_settings
from tests.kinds.test_fifth_kind import FIVE_KINDS, KIND
from tests.support.dashboards import FOLDER, PRINTED, panel_titled, panels, queries, variables
from tests.support.repository import ROOT

GRID = 24
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SHOWN_NOW = {"stat", "table"}
LISTS = {"alertlist"}
SHOWN_OVER_TIME = {"timeseries", "state-timeline", "heatmap"}
DOCUMENTED: dict[str, str] = dict(
    re.findall(r"^\| `(\w+)` \|.*?(?:\((\w+)\))? \|$", metrics_document(KINDS), re.MULTILINE)
)
# The name of a metric. The buckets of a histogram belong to its metric.
METRIC = re.compile(r"\b((?:aws|process)_\w+?)(?:_bucket)?\b")
VARIABLE = re.compile(r"\$\{?(\w+)")
GRAFANA_S_OWN = {"__rate_interval", "__range", "__range_s"}
RANGE = re.compile(r"\[([^\]]*)\]|offset (\w+)")

SOURCES = sorted((ROOT / "exporter" / "monitoring" / "dashboards").glob("*.py"))
KIND_WITH_UNITS: Kind[Any] = replace(
    KIND,
    metrics=(
        *KIND.metrics,
        gauge("aws_iot_ota_update_signing_seconds", "How long.", lambda update: 1.0),
        gauge("aws_iot_ota_update_image_bytes", "How much.", lambda update: 1.0),
        gauge("aws_iot_ota_update_signed_timestamp_seconds", "When, in Unix seconds.", lambda update: 1.0),
        breakdown("aws_iot_ota_update_devices", "How many, by phase.", "phase", lambda update: (("bad", 2),)),
    ),
    items=ItemSeries(
        failed=(
            SeriesSelector("aws_iot_ota_update_files"),
            SeriesSelector("aws_iot_ota_update_devices", "phase", ("bad", "worse")),
        )
    ),
)

every_dashboard = pytest.mark.parametrize("dashboard", PRINTED.values(), ids=PRINTED)
Dashboard = dict[str, Any]


def expressions(dashboard: Dashboard) -> Iterator[str]:
    """Yield every query of the panels and of the variables."""
    yield from (target["expr"] for _, target in queries(dashboard))
    yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])
    yield from (variable["query"]["query"] for variable in query_variables(dashboard))


def query_variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [variable for variable in variables(dashboard).values() if variable["type"] == "query"]


def overrides(panel: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the matcher and the properties of each override of a panel."""
    for override in panel["fieldConfig"]["overrides"]:
        yield override["matcher"]["options"], {entry["id"]: entry["value"] for entry in override["properties"]}


def test_each_dashboard_has_a_unique_uid_and_title_and_a_file_named_by_its_uid() -> None:
    uids = [dashboard["uid"] for dashboard in PRINTED.values()]
    assert len(set(uids)) == len({dashboard["title"] for dashboard in PRINTED.values()}) == len(PRINTED) == 3
    assert max(map(len, uids)) <= 40
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(f"{uid}.json" for uid in uids)


@every_dashboard
def test_a_dashboard_can_be_provisioned_without_changes(dashboard: Dashboard) -> None:
    assert dashboard["id"] is None
    assert not dashboard.keys() & {"__inputs", "__requires", "version"}
    assert dashboard["description"].endswith(".")


@every_dashboard
def test_panels_and_queries_have_unique_ids(dashboard: Dashboard) -> None:
    ids = Counter(panel["id"] for panel in dashboard["panels"])
    assert set(ids.values()) == {1}
    for panel in panels(dashboard):
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        assert (references == []) == (panel["type"] in LISTS)


@every_dashboard
def test_panels_do_not_overlap_and_stay_inside_the_grid(dashboard: Dashboard) -> None:
    positions = [panel["gridPos"] for panel in dashboard["panels"]]
    taken = Counter(
        (x, y)
        for position in positions
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    )
    assert set(taken.values()) == {1}
    assert all(0 <= x < GRID for x, _ in taken)


@every_dashboard
def test_every_panel_has_a_description_a_unit_and_a_text_for_no_data(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert defaults["unit"]
        assert (defaults["noValue"] == "-") == (panel["type"] == "table")
        assert defaults["noValue"]
        assert defaults["thresholds"]["steps"][0]["value"] is None


@every_dashboard
def test_everything_uses_the_chosen_data_source(dashboard: Dashboard) -> None:
    targets = [target for _, target in queries(dashboard)]
    for user in (*panels(dashboard), *targets, *query_variables(dashboard), *dashboard["annotations"]["list"]):
        assert user["datasource"] == DATA_SOURCE
    assert next(iter(variables(dashboard))) == "datasource"


@every_dashboard
def test_stats_and_tables_query_one_time_and_all_others_a_range(dashboard: Dashboard) -> None:
    for panel, target in queries(dashboard):
        assert panel["type"] in SHOWN_NOW | SHOWN_OVER_TIME
        assert target["instant"] is (panel["type"] in SHOWN_NOW)
        assert target["range"] is not target["instant"]
        assert (target["format"] == "table") == (panel["type"] == "table")
        assert (target["format"] == "heatmap") == (panel["type"] == "heatmap")


@every_dashboard
def test_all_durations_are_variables_or_those_of_the_rules_and_counters_appear_only_as_rates(
    dashboard: Dashboard,
) -> None:
    parameters = parameter_values(KINDS, UNCHANGED)
    of_rules = {f"{value}s" for name, value in parameters.items() if name.endswith("_seconds")} | {
        parameters["read_window"]
    }
    for expression in expressions(dashboard):
        durations = {window or offset for window, offset in RANGE.findall(expression)}
        assert {duration for duration in durations if not duration.startswith("$")} <= of_rules
        rates = re.findall(r"rate\((\w+?)(?:_bucket)?\{[^}]*\}\[\$__rate_interval\]\)", expression)
        counters = [name for name in METRIC.findall(expression) if DOCUMENTED.get(name) in ("counter", "histogram")]
        assert counters == rates


@every_dashboard
def test_queries_use_only_metrics_of_the_exporter(dashboard: Dashboard) -> None:
    labels = {*IDENTITY, *CELL, *API}
    named = {name for expression in expressions(dashboard) for name in METRIC.findall(expression)} - labels
    assert named - DOCUMENTED.keys() == set()
    assert ":" not in "".join(re.findall(r"[a-z:_]+", " ".join(expressions(dashboard))))


def test_every_metric_is_on_some_dashboard() -> None:
    shown = METRIC.findall(" ".join(expression for board in PRINTED.values() for expression in expressions(board)))
    omitted = {"process_virtual_memory_bytes", "process_max_fds", f"{PREFIX}state_file_restored_operations_total"}
    probes = {name for name in DOCUMENTED if "_exporter_probe_" in name}  # only a probe returns them
    assert DOCUMENTED.keys() - set(shown) == omitted | probes


@every_dashboard
def test_the_variables_are_exactly_the_used_ones(dashboard: Dashboard) -> None:
    used = {name for expression in expressions(dashboard) for name in VARIABLE.findall(expression)} - GRAFANA_S_OWN
    assert used == variables(dashboard).keys() - {"datasource"}


def test_the_variables_of_the_releases_come_first_and_have_the_labels_of_the_settings() -> None:
    for dashboard in PRINTED.values():
        assert list(variables(dashboard))[:4] == ["datasource", "job", "namespace", "cluster"]
    settings = parse_settings("{selector: 'job=\"prod\"', grouping: [region, tenant_id]}", KINDS)
    for text in (fleet_dashboard(KINDS, settings), operation_dashboard(KINDS, settings)):
        dashboard = json.loads(text)
        first = dict(list(variables(dashboard).items())[1:3])
        # Another variable has the name region.
        assert {name: variable["label"] for name, variable in first.items()} == {
            "region_label": "Region",
            "tenant_id": "Tenant id",
        }
        limit = 'job="prod", region=~"$region_label", tenant_id=~"$tenant_id"'
        assert all(f"{{{limit}, " in target["expr"] for _, target in queries(dashboard))
        offered = first["tenant_id"]["query"]["query"]
        assert offered.endswith('_up{job="prod", region=~"$region_label"}, tenant_id)')


@pytest.mark.parametrize("label", ["job", "namespace", "cluster"])
@every_dashboard
def test_all_of_a_release_includes_series_without_the_label(dashboard: Dashboard, label: str) -> None:
    variable = variables(dashboard)[label]
    assert (variable["allValue"], variable["current"]["value"]) == (".*", ["$__all"])
    assert all(f'{label}=~"${label}"' in target["expr"] for _, target in queries(dashboard))


@every_dashboard
def test_a_variable_follows_the_time_range_and_uses_only_earlier_variables(dashboard: Dashboard) -> None:
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
def test_a_variable_with_several_values_is_a_regular_expression_and_any_other_an_exact_match(
    dashboard: Dashboard,
) -> None:
    multiple = {name for name, variable in variables(dashboard).items() if variable.get("multi")}
    for _, target in queries(dashboard):
        for operator, name in re.findall(r'(=~?)"\$(\w+)"', target["expr"]):
            assert operator == ("=~" if name in multiple else "=")


@every_dashboard
def test_a_table_shows_fields_of_its_queries_under_unique_titles(dashboard: Dashboard) -> None:
    for panel in (panel for panel in panels(dashboard) if panel["type"] == "table"):
        references = {f"Value #{target['refId']}" for target in panel["targets"]}
        titles = [properties["displayName"] for _, properties in overrides(panel)]
        assert {field for field, _ in overrides(panel) if field.startswith("Value")} <= references
        assert len(set(titles)) == len(titles)
        assert {column["displayName"] for column in panel["options"]["sortBy"]} <= set(titles)
        assert [step["id"] for step in panel["transformations"]] == ["merge", "filterFieldsByName", "organize"]


@every_dashboard
def test_every_dashboard_links_to_the_others_and_keeps_the_variables(dashboard: Dashboard) -> None:
    (link,) = dashboard["links"]
    assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
    assert all(set(link["tags"]) <= set(target["tags"]) for target in PRINTED.values())


def test_a_row_of_the_fleet_dashboard_links_to_its_operation() -> None:
    shown = dict(overrides(panel_titled("dashboard", "Operations")))
    (link,) = shown["id"]["links"]
    path, _, parameters = link["url"].partition("?")
    target = PRINTED["dashboard-operation"]
    assert path == f"/d/{target['uid']}"
    assert parameters.startswith("${datasource:queryparam}&")
    assert "&${__url_time_range}&" in parameters
    passed = dict(re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+):percentencode\}", parameters))
    kept = set(re.findall(r"\$\{(\w+):queryparam\}", parameters)) - {"datasource"}
    assert kept == {"job", "namespace", "cluster"}
    assert passed.keys() | kept == {variable["name"] for variable in query_variables(target)}
    assert set(passed.values()) <= shown.keys()


def test_the_operation_dashboard_lists_its_alerts_without_a_host_or_a_plugin() -> None:
    panel = panel_titled("dashboard-operation", "Alerts")
    options = panel["options"]
    assert panel["type"] == "alertlist"
    matchers = dict(re.findall(r'(\w+)="\$(\w+)"', options["alertInstanceLabelFilter"]))
    assert matchers == {"aws_account_id": "account", "aws_region": "region", "kind": "kind", "id": "id"}
    assert {state for state, is_shown in options["stateFilter"].items() if is_shown} == {
        "firing",
        "pending",
        "recovering",
    }
    # Without a data source, the list has the alerts of Grafana and of all data sources.
    assert "datasource" not in options
    assert "://" not in json.dumps(PRINTED["dashboard-operation"])


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


def operation_panels(*kinds: Kind[Any]) -> dict[str, dict[str, Any]]:
    return {panel["title"]: panel for panel in panels(json.loads(operation_dashboard(kinds)))}


def test_a_count_of_a_kind_is_on_the_panel_of_counts() -> None:
    added = operation_panels(*FIVE_KINDS)["Counts"]["targets"][-1]
    assert added["legendFormat"] == "files"
    assert "(aws_iot_ota_update_files{" in added["expr"]
    assert added["refId"] not in {target["refId"] for target in operation_panels(*KINDS)["Counts"]["targets"]}


def test_a_new_unit_or_label_has_a_panel_of_its_own() -> None:
    before, after = operation_panels(*FIVE_KINDS), operation_panels(*KINDS, KIND_WITH_UNITS)
    units = {title: after[title]["fieldConfig"]["defaults"]["unit"] for title in after.keys() - before.keys()}
    assert units == {"Durations": "s", "Sizes": "bytes", "Timestamps": "dateTimeAsIso", "Devices by phase": "short"}
    assert after["Timestamps"]["targets"][0]["expr"].endswith(" * 1000")
    (phases,) = after["Devices by phase"]["targets"]
    assert phases["legendFormat"] == "{{phase}}"
    assert phases["expr"].startswith("max by (aws_account_id, aws_region, kind, id, phase) (")
    assert after["Devices by phase"]["description"] == "How many, by phase."


def test_more_queries_than_letters_have_unique_references() -> None:
    names = (f"aws_iot_ota_update_{number}" for number in range(60))
    kind: Kind[Any] = replace(KIND, metrics=tuple(gauge(name, "Many.", lambda update: 1.0) for name in names))
    targets = operation_panels(kind)["Counts"]["targets"]
    assert len({target["refId"] for target in targets}) == len(targets) == 60


def test_the_statuses_of_a_kind_have_phases_and_colours() -> None:
    assert {status: phase(KIND, status) for status in (*KIND.statuses, "Unknown")} == {
        "CREATE_PENDING": Phase.WAITING,
        "CREATE_IN_PROGRESS": Phase.RUNNING,
        "CREATE_COMPLETE": Phase.COMPLETED,
        "CREATE_FAILED": Phase.FAILED,
        "DELETE_IN_PROGRESS": Phase.ENDING,
        "DELETE_FAILED": Phase.FAILED,
        "Unknown": Phase.UNKNOWN,
    }
    overrides = operation_panels(*FIVE_KINDS)["Status"]["fieldConfig"]["overrides"]
    matchers = {override["matcher"]["options"] for override in overrides}
    assert {f"/^({status})$/i" for status in KIND.statuses} <= matchers


def test_a_status_has_the_same_phase_in_every_kind() -> None:
    found = {(phase(kind, status), status) for kind in KINDS for status in kind.statuses}
    assert {expected: sorted(status for phase, status in found if phase is expected) for expected in Phase} == {
        Phase.WAITING: ["SCHEDULED"],
        Phase.RUNNING: ["ACTIVE", "IN_PROGRESS", "InProgress", "Initializing", "Running"],
        Phase.ENDING: ["Cancelling", "DELETION_IN_PROGRESS", "Stopping"],
        Phase.UNKNOWN: [],
        Phase.FAILED: ["FAILED", "Failed"],
        Phase.STOPPED: ["CANCELED", "Cancelled", "Stopped"],
        Phase.COMPLETED: ["COMPLETED", "Completed"],
        Phase.ENDED: ["INACTIVE"],
    }


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_no_dashboard_names_a_kind_or_its_metrics(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    names = {kind.name for kind in KINDS} | {metric.name for kind in KINDS for metric in kind.metrics}
    assert {name for name in names if name in text} == set()


def test_the_exporter_dashboard_shows_no_statuses() -> None:
    assert "status=~" not in json.dumps(PRINTED["dashboard-exporter"])
