"""The dashboards, the alerts and the status page agree on what is stalled, and old failures do not last for ever."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.records import STALLED_SECONDS, without_records
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import parse_settings
from tests.support import http_requests
from tests.support.dashboards import EVERYTHING, PRINTED, panel_titled, panels, query_result, with_variables
from tests.support.exporter_server import serve_simulation
from tests.support.prometheus import History, Recording, prometheus_with_history, record

ACCOUNT, REGION = "111122223333", "eu-west-1"
CONFIG = """
accounts:
  - account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: iot_job, discover: true}
      - {kind: greengrass_deployment, discover: true}
      - {kind: greengrass_bulk_deployment, discover: true}
"""
SCENARIO = """
accounts: ["111122223333"]
operations:
  - {kind: iot_job, id: standing, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 5m, done: 0.5}]}
  - {kind: iot_job, id: standing-shortly, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 2h, done: 0.5}]}
  - {kind: iot_job, id: almost-done, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 5m, done: 0.995}]}
  - {kind: iot_job, id: scheduled, region: eu-west-1, items: 1000, timeline: [{at: 0s, status: SCHEDULED}]}
  - {kind: iot_job, id: endless, region: eu-west-1, items: 1000, continuous: true, created: -720h,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 5m, done: 0.5, failed: 0.2}]}
  - {kind: iot_job, id: endless-failing, region: eu-west-1, items: 1000, continuous: true,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 24h, done: 0.5, failed: 0.2}]}
  - {kind: iot_job, id: paused, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 5m, done: 0.5, failed: 0.1}]}
  - {kind: greengrass_deployment, id: standing-v2, region: eu-west-1, items: 400,
     timeline: [{at: 0s, status: ACTIVE}, {at: 5m, done: 0.5}]}
  - {kind: thing_registration_task, id: standing-task, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: InProgress}, {at: 15m, done: 0.4}]}
  - {kind: thing_registration_task, id: failed-long-ago, region: eu-west-1, items: 10, created: -480h,
     timeline: [{at: 0s, status: InProgress}, {at: 10m, status: Failed, done: 1.0, failed: 1.0}]}
  - {kind: thing_registration_task, id: failed, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: InProgress}, {at: 2h, status: Failed, done: 1.0, failed: 1.0}]}
  - {kind: iot_job, id: completed-long-ago, region: eu-west-1, items: 100, created: -700d,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 10m, status: COMPLETED, done: 1.0, failed: 0.5}]}
  - {kind: iot_job, id: completed, region: eu-west-1, items: 100, name: pumps,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 2h, status: COMPLETED, done: 1.0, failed: 0.5}]}
  - {kind: iot_job, id: cancelled, region: eu-west-1, items: 100, reason_code: WRONG_IMAGE,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 2h, status: CANCELED, done: 0.5}]}
  - {kind: greengrass_bulk_deployment, id: completed-v1, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: Running}, {at: 2h, status: Completed, done: 1.0}]}
faults:
  - {api: DescribeJob, id: paused, replace: {job.status: PAUSED_BY_AWS}}
"""
# Longer than the window of a job, after which it is stalled.
MINUTES = 150
LONG = 3600.0 * 24 * 800
STALLED = {"standing", "standing-v2", "standing-task", "paused"}
STANDING = {"account": ACCOUNT, "region": REGION, "kind": "iot_job", "id": "standing"}
ALERT = (
    'ALERTS{alertname="AwsIotBulkOperationStalled",alertstate="%s",aws_account_id="111122223333",'
    'aws_region="eu-west-1",kind="iot_job",id="%s",severity="warning"}'
)
ALERTS = tuple(ALERT % labels for labels in (("firing", "standing"), ("pending", "paused"), ("firing", "cancelled")))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, list[dict[str, Any]]]:
    """Hours of data from a pair of exporters, and the operations of the JSON API."""
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        folder = tmp_path_factory.mktemp("recording")
        recording = record(simulation.exporter, MINUTES, ("a:10098", "b:10098"), folder, ALERTS)
        return recording, http_requests.get(f"{simulation.exporter.url}/api/v1/operations").json()["operations"]


@pytest.fixture(scope="module")
def served(
    recorded: tuple[Recording, list[dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
    prometheus_program: str,
) -> Iterator[tuple[History, list[dict[str, Any]]]]:
    """Each supported Prometheus with the recording, and the operations."""
    recording, operations = recorded
    with prometheus_with_history(recording, tmp_path_factory.mktemp("history"), prometheus_program) as history:
        yield history, operations


@pytest.fixture
def history(served: tuple[History, list[dict[str, Any]]]) -> History:
    return served[0]


def ids(series: list[dict[str, Any]]) -> set[str]:
    return {entry["metric"]["id"] for entry in series}


def column(
    history: History, title: str, column: str, chosen: Mapping[str, str] = EVERYTHING, time_range: float = 3600.0
) -> dict[str, float]:
    """Return the values of a column of the fleet dashboard by the id of the operation."""
    panel = panel_titled("dashboard", title)
    shown = {
        override["matcher"]["options"]: entry["value"]
        for override in panel["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "displayName"
    }
    (field,) = (field for field, name in shown.items() if name == column)
    (target,) = (target for target in panel["targets"] if f"Value #{target['refId']}" == field)
    series = query_result(history, PRINTED["dashboard"], target, chosen, time_range)
    return {entry["metric"]["id"]: float(entry["value"][1]) for entry in series}


def tile(history: History, title: str, time_range: float = 3600.0, **chosen: str) -> float | None:
    """Return the number on a tile of the fleet dashboard."""
    (target,) = panel_titled("dashboard", title)["targets"]
    series = query_result(history, PRINTED["dashboard"], target, EVERYTHING | chosen, time_range)
    return float(series[0]["value"][1]) if series else None


def test_the_rules_the_dashboards_and_the_page_call_the_same_operations_stalled(
    served: tuple[History, list[dict[str, Any]]],
) -> None:
    history, operations = served
    rule = ids(history.now(without_records(STALLED_SECONDS, rules(KINDS).resolve().records)))
    page = {operation["id"] for operation in operations if "stalled" in (operation["reason"] or "")}
    table = column(history, "Operations", "Stalled")
    # A deployment and its job have one alert. The page also shows the job, but not as a second problem.
    assert rule == table.keys() == page == STALLED
    (job,) = (operation for operation in operations if operation["kind"] == "iot_job" and len(operation["id"]) == 36)
    assert (job["active"], job["severity"], job["needs_attention"]) == (True, "none", False)
    assert set(table.values()) == {1.0}
    assert tile(history, "Stalled") == len(STALLED)
    assert tile(history, "Stalled", kind="(iot_job)") == 2


@pytest.mark.parametrize(("id", "states"), [("standing", ["stalled"]), ("endless", ["continuous"]), ("scheduled", [])])
def test_the_operation_dashboard_says_whether_the_operation_is_stalled(
    history: History, id: str, states: list[str]
) -> None:
    panel = panel_titled("dashboard-operation", "Special")
    dashboard, chosen = PRINTED["dashboard-operation"], {**STANDING, "id": id}
    shown = [target["legendFormat"] for target in panel["targets"] if query_result(history, dashboard, target, chosen)]
    assert shown == states


def test_the_settings_change_the_time_after_which_an_operation_is_stalled_on_the_dashboards(history: History) -> None:
    settings = parse_settings("parameters: {stalled_iot_job_seconds: 1200}", KINDS)
    dashboard = json.loads(fleet_dashboard(KINDS, settings))
    (panel,) = (panel for panel in panels(dashboard) if panel["title"] == "Stalled")
    (series,) = query_result(history, dashboard, panel["targets"][0], EVERYTHING)
    assert float(series["value"][1]) == len(STALLED | {"standing-shortly"})


@pytest.mark.parametrize(
    ("title", "recent", "long_ago"),
    [
        ("Failed", {"failed"}, {"failed-long-ago"}),
        (
            "With failures",
            {"failed", "completed", "paused", "endless-failing"},
            # Prometheus does not know how many failures of the continuous job are older than the time range.
            {"failed-long-ago", "completed-long-ago", "endless"},
        ),
    ],
)
def test_a_tile_counts_only_operations_that_ended_in_the_time_range(
    history: History, title: str, recent: set[str], long_ago: set[str]
) -> None:
    assert tile(history, title) == len(recent)
    assert tile(history, title, LONG) == len(recent) + len(long_ago)


def test_the_table_by_account_counts_failures_as_the_tiles_do(history: History) -> None:
    panel = panel_titled("dashboard", "Operations and failures")
    results = [query_result(history, PRINTED["dashboard"], target, EVERYTHING) for target in panel["targets"]]
    _, _, failed, with_failures, failures = (sum(float(entry["value"][1]) for entry in series) for series in results)
    assert failed == tile(history, "Failed")
    assert with_failures == tile(history, "With failures")
    assert failures == pytest.approx(10 + 50 + 100 + 200 * 2.5 / 24, abs=3)


def test_the_table_of_finished_operations_has_those_of_the_time_range_with_their_ends(history: History) -> None:
    panel = panel_titled("dashboard", "Recently finished operations")
    results = [query_result(history, PRINTED["dashboard"], target, EVERYTHING) for target in panel["targets"]]
    statuses, _, _, details = results
    assert {entry["metric"]["id"]: entry["metric"]["status"] for entry in statuses} == {
        "failed": "Failed",
        "completed": "COMPLETED",
        "cancelled": "CANCELED",
        "completed-v1": "Completed",
    }
    # AWS reports no time of the last change for a deployment of Greengrass V1.
    ended = column(history, panel["title"], "Ended")
    assert ended.keys() == {"failed", "completed", "cancelled"}
    assert list(ended.values()) == [pytest.approx((history.end - 30 * 60) * 1000, rel=0, abs=300_000)] * 3
    assert column(history, panel["title"], "Failures") == {
        "failed": 10, "completed": 50, "cancelled": 0, "completed-v1": 0
    }  # fmt: skip
    assert all(ids(series) <= ids(statuses) for series in results)
    assert {entry["metric"].get("reason_code") for entry in details} == {None, "WRONG_IMAGE"}
    assert "completed-long-ago" in column(history, panel["title"], "Ended", time_range=LONG)


def test_an_operation_with_a_status_of_tomorrow_is_active(history: History) -> None:
    (target,) = panel_titled("dashboard", "Active")["targets"]
    (series,) = query_result(history, PRINTED["dashboard"], target, EVERYTHING | {"kind": "(iot_job)"})
    waiting_or_running = {"standing", "standing-shortly", "almost-done", "scheduled", "endless", "endless-failing"}
    # The deployment has a job, too.
    assert float(series["value"][1]) == len(waiting_or_running | {"paused"}) + 1


def test_a_continuous_operation_has_no_estimated_end(history: History) -> None:
    estimated = column(history, "Operations", "Estimated end")
    assert "endless-failing" not in estimated
    assert column(history, "Operations", "Progress").keys() >= {"endless-failing"}


@pytest.mark.parametrize(
    ("chosen", "is_shown"),
    [
        ({}, True),
        ({"job": "(aws-iot-bulk)"}, True),
        ({"job": "(other)"}, False),
        ({"namespace": "(production)"}, False),
        ({"cluster": "(a|b)"}, False),
    ],
)
def test_a_release_can_be_chosen_and_all_includes_series_without_the_labels(
    history: History, chosen: dict[str, str], is_shown: bool
) -> None:
    assert (tile(history, "Active", 3600.0, **chosen) is not None) is is_shown


def test_the_annotations_of_the_operation_dashboard_are_its_firing_alerts(history: History) -> None:
    dashboard = PRINTED["dashboard-operation"]
    (annotation,) = dashboard["annotations"]["list"]
    for id, is_firing in {"standing": True, "paused": False, "scheduled": False}.items():
        query = with_variables(annotation["expr"], dashboard, {**STANDING, "id": id})
        assert [entry["metric"]["id"] for entry in history.over_time(query, 3600)] == [id] * is_firing
