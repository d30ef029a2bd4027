from datetime import UTC, datetime
from typing import Any

import pytest

from tests.simulator.served_scenario import ACCOUNTS, REGION, START, Aws

SCENARIO = f"""{ACCOUNTS}
operations:
  - {{kind: thing_registration_task, id: runs, region: {REGION}, created: 10s, items: 1000,
     message: Some things failed., timeline: [{{at: 0s, status: InProgress}}, {{at: 100s, done: 0.5, failed: 0.1}},
     {{at: 200s}}, {{at: 300s, status: Completed, done: 1.0, failed: 0.2}}]}}
  - {{kind: thing_registration_task, id: cancelled, region: {REGION}, items: 10, timeline: [
     {{at: 0s, status: InProgress}}, {{at: 50s, status: Cancelling, done: 0.5}}, {{at: 60s, status: Cancelled}}]}}
  - {{kind: greengrass_bulk_deployment, id: retries, region: {REGION}, items: 100, retries: 10, error_codes: [A, B, B],
     message: Bad., timeline: [{{at: 0s, status: Initializing}}, {{at: 10s, status: Running}},
     {{at: 110s, status: Completed, done: 1.0, failed: 0.05}}]}}
  - {{kind: iot_job, id: retried, region: {REGION}, items: 100, retries: 10,
     allowed_retries: {{FAILED: 3, TIMED_OUT: 1}}, timeline: [{{at: 0s, status: IN_PROGRESS}},
     {{at: 100s, status: COMPLETED, done: 1.0, failed: 0.08}}]}}
  - {{kind: iot_job, id: any-failure, region: {REGION}, items: 100, retries: 10, allowed_retries: {{ALL: 2}},
     timeline: [{{at: 0s, status: IN_PROGRESS}}, {{at: 100s, status: COMPLETED, done: 1.0, failed: 0.08}}]}}
"""


def task(aws: Aws, id: str, after: float) -> Any:
    aws.clock.at = START + after
    return aws.client("iot").describe_thing_registration_task(taskId=id)


def deployment(aws: Aws, after: float) -> Any:
    aws.clock.at = START + after
    return aws.client("greengrass").get_bulk_deployment_status(BulkDeploymentId="retries")


@pytest.mark.parametrize(
    ("id", "after", "failed", "timed_out"),
    [("retried", 50, 17, 2), ("retried", 100, 5 * 4 + 10, 2 * 2), ("any-failure", 100, 5 * 3 + 10, 2 * 3)],
)
def test_each_retry_of_a_job_is_an_execution(aws: Aws, id: str, after: float, failed: int, timed_out: int) -> None:
    aws.clock.at = START + after
    job = aws.client("iot").describe_job(jobId=id)["job"]
    details = job["jobProcessDetails"]
    counts = (details["numberOfFailedThings"], details["numberOfTimedOutThings"], details["numberOfRejectedThings"])
    assert counts == (failed, timed_out, 1 if after == 100 else 0)
    criteria = {
        entry["failureType"]: entry["numberOfRetries"] for entry in job["jobExecutionsRetryConfig"]["criteriaList"]
    }
    assert criteria in ({"FAILED": 3, "TIMED_OUT": 1}, {"ALL": 2})


def test_an_operation_does_not_exist_before_it_is_created(aws: Aws) -> None:
    client = aws.client("iot")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        task(aws, "runs", 9)
    assert client.list_thing_registration_tasks()["taskIds"] == ["cancelled"]
    assert task(aws, "runs", 10)["status"] == "InProgress"


@pytest.mark.parametrize(
    ("after", "counts"),
    [(10, (0, 0, 0)), (60, (200, 50, 25)), (110, (400, 100, 50)), (260, (600, 150, 75)), (310, (800, 200, 100))],
)
def test_counts_grow_evenly_between_two_points(aws: Aws, after: float, counts: tuple[int, int, int]) -> None:
    response = task(aws, "runs", after)
    assert (response["successCount"], response["failureCount"], response["percentageProgress"]) == counts


def test_a_stalled_operation_keeps_its_counts_and_its_last_change(aws: Aws) -> None:
    stalled = datetime.fromtimestamp(START + 110, UTC)
    responses = [task(aws, "runs", after) for after in (110, 150, 209)]
    assert {(response["successCount"], response["lastModifiedDate"]) for response in responses} == {(400, stalled)}


def test_the_final_state_is_exact_and_does_not_change(aws: Aws) -> None:
    ended, later = task(aws, "runs", 310), task(aws, "runs", 1_000_000)
    assert (later["status"], later["message"]) == ("Completed", "Some things failed.")
    assert {**ended, "ResponseMetadata": None} == {**later, "ResponseMetadata": None}
    assert later["lastModifiedDate"] == datetime.fromtimestamp(START + 310, UTC)


def test_a_message_appears_only_at_the_end(aws: Aws) -> None:
    assert "message" not in task(aws, "runs", 309)


def test_a_cancelled_task_is_cancelling_first_and_keeps_its_counts(aws: Aws) -> None:
    found = [task(aws, "cancelled", after) for after in (49, 50, 60)]
    assert [response["status"] for response in found] == ["InProgress", "Cancelling", "Cancelled"]
    assert [response["successCount"] for response in found] == [4, 5, 5]


def test_retries_grow_with_progress_and_errors_appear_with_the_first_failure(aws: Aws) -> None:
    assert deployment(aws, 10)["ErrorDetails"] == []
    half = deployment(aws, 60)
    assert half["BulkDeploymentMetrics"] == {"RecordsProcessed": 49, "InvalidInputRecords": 2, "RetryAttempts": 4}
    assert [detail["DetailedErrorCode"] for detail in half["ErrorDetails"]] == ["A", "B", "B"]
    ended = deployment(aws, 110)
    assert ended["BulkDeploymentMetrics"] == {"RecordsProcessed": 100, "InvalidInputRecords": 5, "RetryAttempts": 10}
    assert ended["ErrorMessage"] == "Bad."
    assert ended["CreatedAt"] == "2026-09-21T14:13:20.000Z"
