"""What needs attention, and why: from AWS's response to the JSON, with the thresholds of the alerts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporter.kinds.greengrass_bulk_deployment import KIND as BULK
from exporter.kinds.iot_job import KIND as JOB
from exporter.kinds.kind import Kind
from exporter.kinds.thing_registration_task import KIND as TASK
from exporter.kinds.thresholds import DEFAULT
from exporter.metrics.attention import rounded_duration
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.settings import Parameters
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import ServedExporter, serve_exporter, serve_simulation
from tests.support.scripted_endpoint import ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

TASK_CONFIG = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]'
JOB_CONFIG = 'accounts: [{account_id: "111122223333", watch: [{kind: iot_job, ids: [a]}]}]'
BULK_CONFIG = 'accounts: [{account_id: "111122223333", watch: [{kind: greengrass_bulk_deployment, ids: [a]}]}]'
TASK_PATH, JOB_PATH, BULK_PATH = "/thing-registration-tasks/a", "/jobs/a", "/greengrass/bulk/deployments/a/status"
QUIET = ("none", None, False)
DAY = 86_400.0


def task(status: str, succeeded: int, failed: int, percent: int = 100, **more: Any) -> dict[str, Any]:
    """Return the response of DescribeThingRegistrationTask."""
    return {
        "status": status,
        "successCount": succeeded,
        "failureCount": failed,
        "percentageProgress": percent,
        "lastModifiedDate": 1.9e9,
        **more,
    }


def job(status: str, selection: str = "SNAPSHOT", **counts: int) -> dict[str, Any]:
    """Return the response of DescribeJob."""
    states = ("Queued", "InProgress", "Succeeded", "Failed", "Rejected", "TimedOut", "Removed", "Canceled")
    details = {f"numberOf{state}Things": counts.get(state, 0) for state in states}
    content = {"status": status, "targetSelection": selection, "jobProcessDetails": details, "lastUpdatedAt": 1.9e9}
    return {"job": content}


def line(exporter: ServedExporter) -> Any:
    """Return the only operation of the JSON."""
    (operation,) = http_requests.get(f"{exporter.url}/api/v1/operations").json()["operations"]
    return operation


def found(exporter: ServedExporter) -> tuple[str, str | None, bool]:
    """Return the severity and the reason of the only operation, and whether it needs attention."""
    operation = line(exporter)
    return (operation["severity"], operation["reason"], operation["needs_attention"])


FAILED_STATUS = {"ErrorDetails": [], "BulkDeploymentStatus": "Failed"}
STOPPED_STATUS = {"BulkDeploymentStatus": "Stopped", "BulkDeploymentMetrics": {"RecordsProcessed": 500}}
INVALID = {"RecordsProcessed": 200, "InvalidInputRecords": 30}


CASES: tuple[tuple[Kind[Any], dict[str, Any], tuple[str, str | None, bool]], ...] = (
    (TASK, task("Failed", 0, 0), ("high", "failed", True)),
    (TASK, task("Failed", 5, 95), ("high", "failed", True)),
    (BULK, FAILED_STATUS, ("high", "failed", True)),
    # A running operation.
    (TASK, task("InProgress", 88, 12, 50), ("medium", "failed: 12 of 100", True)),
    (TASK, task("InProgress", 95, 5, 50), QUIET),
    (TASK, task("InProgress", 9_499, 501, 50), ("medium", "failed: 501 of 10,000", True)),
    (TASK, task("InProgress", 9, 10, 50), QUIET),
    (TASK, task("InProgress", 9, 11, 50), ("medium", "failed: 11 of 20", True)),
    (
        BULK,
        {"BulkDeploymentStatus": "Running", "BulkDeploymentMetrics": INVALID},
        ("medium", "failed: 30 of 200", True),
    ),
    (
        JOB,
        job("IN_PROGRESS", "CONTINUOUS", Queued=1, Succeeded=80, Failed=20),
        ("medium", "failed: 20 of 100", True),
    ),
    (JOB, job("SCHEDULED", Queued=9), QUIET),
    # A finished operation.
    (TASK, task("Completed", 1_258, 1), QUIET),
    (TASK, task("Completed", 990, 10), QUIET),
    (TASK, task("Completed", 988, 12), ("medium", "failed: 12 of 1,000", True)),
    (TASK, task("Completed", 2, 1), ("medium", "failed: 1 of 3", True)),
    (TASK, task("Completed", 199_900, 100), ("medium", "failed: 100 of 200,000", True)),
    (TASK, {"status": "Completed", "failureCount": 3}, ("medium", "failed: 3", True)),
    (TASK, {"status": "Completed"}, QUIET),
    # An operation that was cancelled or stopped.
    (TASK, task("Cancelled", 100, 0, 20), ("low", "cancelled", True)),
    (TASK, task("Cancelled", 60, 40, 20), ("medium", "failed: 40 of 100, cancelled", True)),
    (TASK, task("Cancelling", 60, 1, 20), QUIET),
    (JOB, job("CANCELED", Succeeded=20, Canceled=80), ("low", "cancelled", True)),
    (BULK, STOPPED_STATUS, ("low", "stopped", True)),
    # A status that AWS added later counts as active.
    (TASK, task("Paused", 5, 95, 50), ("medium", "failed: 95 of 100", True)),
)
PATHS = {
    TASK.name: "/thing-registration-tasks/{}",
    JOB.name: "/jobs/{}",
    BULK.name: "/greengrass/bulk/deployments/{}/status",
}


@pytest.fixture(scope="module")
def cases() -> Iterator[Mapping[str, Any]]:
    """The operations of all cases in the JSON, by their ids."""
    ids = {kind.name: [f"case-{place}" for place, case in enumerate(CASES) if case[0] is kind] for kind, *_ in CASES}
    watch = [{"kind": kind, "ids": cases} for kind, cases in ids.items()]
    config = json.dumps({"accounts": [{"account_id": "111122223333", "watch": watch}]})
    responses = {
        PATHS[kind.name].format(f"case-{place}"): json_response(response)
        for place, (kind, response, _) in enumerate(CASES)
    }
    with serve_app(ScriptedAws(responses).app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        exporter.scrape()
        listed = http_requests.get(f"{exporter.url}/api/v1/operations").json()["operations"]
        yield {operation["id"]: operation for operation in listed}


@pytest.mark.parametrize(
    "place", range(len(CASES)), ids=lambda place: f"{CASES[place][1].get('status', place)}-{place}"
)
def test_the_severity_and_its_reason(cases: Mapping[str, Any], place: int) -> None:
    operation = cases[f"case-{place}"]
    assert (operation["severity"], operation["reason"], operation["needs_attention"]) == CASES[place][2]


def test_a_job_that_its_abort_criteria_cancelled_is_more_than_cancelled() -> None:
    aborted = job("CANCELED", Succeeded=2, Failed=8, Canceled=90)
    criterion = {"failureType": "ALL", "action": "CANCEL", "thresholdPercentage": 50, "minNumberOfExecutedThings": 5}
    aborted["job"]["abortConfig"] = {"criteriaList": [criterion]}
    aws = ScriptedAws({JOB_PATH: json_response(aborted)})
    with serve_app(aws.app()) as endpoint, serve_exporter(JOB_CONFIG, endpoint) as exporter:
        assert found(exporter) == ("medium", "cancelled by its abort criteria, failed: 8 of 10", True)


@pytest.fixture
def running() -> Iterator[tuple[ServedExporter, ScriptedAws]]:
    """An exporter of one running task, and its AWS."""
    aws = ScriptedAws({TASK_PATH: json_response(task("InProgress", 100, 0, 50))})
    with serve_app(aws.app()) as endpoint, serve_exporter(TASK_CONFIG, endpoint) as exporter:
        exporter.scrape()
        yield exporter, aws


def test_an_operation_without_a_changed_count_is_stalled(running: tuple[ServedExporter, ScriptedAws]) -> None:
    exporter, aws = running
    exporter.scrape(after=TASK.thresholds.stalled_seconds - 1)
    assert found(exporter) == QUIET
    exporter.scrape(after=11 * 60 + 1)
    assert found(exporter) == ("medium", "stalled for 41 min", True)
    # The time of the last change is no progress.
    aws.responses[TASK_PATH] = json_response(task("InProgress", 100, 0, 50, lastModifiedDate=1.9e9 + 600))
    exporter.scrape(after=60)
    assert found(exporter) == ("medium", "stalled for 42 min", True)
    aws.responses[TASK_PATH] = json_response(task("InProgress", 101, 0, 50))
    exporter.scrape(after=60)
    assert found(exporter) == QUIET
    exporter.scrape(after=TASK.thresholds.stalled_seconds)
    assert found(exporter)[1] == "stalled for 30 min"


def test_an_operation_that_cannot_be_read_is_not_stalled(running: tuple[ServedExporter, ScriptedAws]) -> None:
    exporter, aws = running
    exporter.scrape(after=TASK.thresholds.stalled_seconds - 60)
    aws.responses[TASK_PATH] = error_response("InternalFailureException", 500)
    exporter.scrape(after=5 * 60)
    assert found(exporter) == QUIET


def test_a_clock_that_was_set_back_makes_nothing_stalled(running: tuple[ServedExporter, ScriptedAws]) -> None:
    exporter, _ = running
    exporter.clock.jump(-3600)
    exporter.scrape()
    assert found(exporter) == QUIET
    exporter.scrape(after=TASK.thresholds.stalled_seconds)
    assert found(exporter)[1] == "stalled for 30 min"


@pytest.mark.parametrize(
    ("response", "is_stalled"),
    [
        (job("IN_PROGRESS", Queued=50, Succeeded=50), True),
        (job("IN_PROGRESS", "CONTINUOUS", Queued=50, Succeeded=50), False),
        (job("SCHEDULED", Queued=50), False),
        (job("IN_PROGRESS", Succeeded=50), False),
    ],
    ids=["running", "continuous", "scheduled", "all done"],
)
def test_an_operation_that_waits_or_has_no_end_is_never_stalled(response: dict[str, Any], is_stalled: bool) -> None:
    aws = ScriptedAws({JOB_PATH: json_response(response)})
    with serve_app(aws.app()) as endpoint, serve_exporter(JOB_CONFIG, endpoint) as exporter:
        exporter.scrape()
        exporter.scrape(after=JOB.thresholds.stalled_seconds)
        assert (found(exporter)[0] == "medium") == is_stalled


def test_an_operation_that_ended_long_ago_is_quiet_but_keeps_its_reason() -> None:
    clock = ManualClock()
    aws = ScriptedAws({TASK_PATH: json_response(task("Failed", 5, 95, lastModifiedDate=clock.at - DAY - 60))})
    with serve_app(aws.app()) as endpoint, serve_exporter(TASK_CONFIG, endpoint, clock) as exporter:
        assert found(exporter) == ("high", "failed", False)


def test_an_operation_that_was_seen_to_end_is_recent_whatever_aws_reports() -> None:
    aws = ScriptedAws({BULK_PATH: json_response({"BulkDeploymentStatus": "Running", "CreatedAt": "2019-01-01T00:00Z"})})
    with serve_app(aws.app()) as endpoint, serve_exporter(BULK_CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[BULK_PATH] = json_response({"BulkDeploymentStatus": "Failed", "CreatedAt": "2019-01-01T00:00Z"})
        exporter.scrape()
        assert found(exporter) == ("high", "failed", True)
        exporter.scrape(after=DAY)
        assert found(exporter) == ("high", "failed", False)


SCENARIO = """
accounts: ["111122223333"]
operations:
  - &task
    kind: thing_registration_task
    id: fine
    region: eu-west-1
    created: -10m
    items: 1000
    timeline: [{at: 0s, status: InProgress}, {at: 20m, done: 0.9}]
  - {<<: *task, id: failing, timeline: [{at: 0s, status: InProgress}, {at: 20m, done: 0.9, failed: 0.4}]}
  - {<<: *task, id: worse, timeline: [{at: 0s, status: InProgress}, {at: 20m, done: 0.9, failed: 0.8}]}
  - {<<: *task, id: imperfect, timeline: [{at: 0s, status: Completed, done: 1.0, failed: 0.001}]}
  - {<<: *task, id: partly, timeline: [{at: 0s, status: Completed, done: 1.0, failed: 0.5}]}
  - {<<: *task, id: cancelled, timeline: [{at: 0s, status: Cancelled, done: 0.1}]}
  - {<<: *task, id: broken, timeline: [{at: 0s, status: Failed}]}
"""


def test_the_most_severe_operations_come_first_and_imperfect_ones_are_quiet() -> None:
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, discover: true}]}]'
    with serve_simulation(config, SCENARIO) as simulation:
        url = f"{simulation.exporter.url}/api/v1/operations"
        ranked = [operation["id"] for operation in http_requests.get(url).json()["operations"]]
        attention = [operation["id"] for operation in http_requests.get(f"{url}?view=attention").json()["operations"]]
    assert attention == ["broken", "worse", "failing", "partly", "cancelled"]
    assert ranked == [*attention, "fine", "imperfect"]


def test_the_rules_have_the_same_thresholds() -> None:
    (alert,) = (alert for alert in ALERTS if alert.name == "AwsIotBulkFailureRatioHigh")
    parameters = Parameters()
    assert alert.threshold == DEFAULT.failure_ratio
    assert (parameters.items, parameters.ended_seconds) == (DEFAULT.min_items, DEFAULT.ended_seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0.9, "0 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_a_duration_is_shown_in_one_unit(seconds: float, text: str) -> None:
    assert rounded_duration(seconds) == text
