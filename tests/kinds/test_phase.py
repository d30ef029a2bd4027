"""An operation succeeded if it completed and none of its items failed."""

import pytest

from exporter.kinds import (
    greengrass_bulk_deployment,
    greengrass_deployment,
    iot_job,
    job_operation,
    thing_registration_task,
)
from exporter.kinds.job_counts import MEMBERS
from exporter.kinds.kind import Options
from exporter.kinds.phase import Outcome, outcome

PENDING, SUCCEEDED, FAILED, UNDECIDED = Outcome.PENDING, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNDECIDED
NO_OPTIONS: Options = frozenset()


@pytest.mark.parametrize(
    ("status", "failed", "expected"),
    [
        ("InProgress", 0, PENDING),
        ("InProgress", 5, PENDING),
        ("Cancelling", 0, PENDING),
        ("NewStatus", 0, PENDING),
        ("Completed", 0, SUCCEEDED),
        ("Completed", None, FAILED),
        ("Completed", 1, FAILED),
        ("Failed", 0, FAILED),
        ("Cancelled", 0, FAILED),
    ],
)
def test_a_registration_task(status: str, failed: int | None, expected: Outcome) -> None:
    task = thing_registration_task.ThingRegistrationTask(id="x", status=status, succeeded=9, failed=failed)
    assert outcome(thing_registration_task.KIND, task, NO_OPTIONS) is expected


@pytest.mark.parametrize(
    ("status", "selection", "queued", "failed", "expected"),
    [
        ("IN_PROGRESS", "SNAPSHOT", 0, 0, PENDING),
        ("COMPLETED", "SNAPSHOT", 0, 0, SUCCEEDED),
        ("COMPLETED", "SNAPSHOT", 0, 1, FAILED),
        ("CANCELED", "SNAPSHOT", 0, 0, FAILED),
        ("CANCELED", "SNAPSHOT", 1, 0, PENDING),
        ("IN_PROGRESS", "CONTINUOUS", 3, 0, PENDING),
        ("IN_PROGRESS", "CONTINUOUS", 0, 0, SUCCEEDED),
        ("IN_PROGRESS", "CONTINUOUS", 0, 1, FAILED),
        ("COMPLETED", "CONTINUOUS", 0, 0, SUCCEEDED),
        ("CANCELED", "CONTINUOUS", 0, 0, FAILED),
        ("CANCELED", "CONTINUOUS", 1, 0, PENDING),
        # Without counts, a continuous job never succeeds.
        ("IN_PROGRESS", "CONTINUOUS", None, None, PENDING),
        ("COMPLETED", "CONTINUOUS", None, None, FAILED),
    ],
)
def test_a_job(status: str, selection: str, queued: int | None, failed: int | None, expected: Outcome) -> None:
    details = {"numberOfQueuedThings": queued, "numberOfInProgressThings": 0, "numberOfSucceededThings": 1}
    details = {} if queued is None else {**details, "numberOfFailedThings": failed}
    job = {"targetSelection": selection, "jobProcessDetails": details}
    parsed = iot_job.parse("x", {"job": {"status": status, **job}})
    assert outcome(iot_job.KIND, parsed, NO_OPTIONS) is expected


@pytest.mark.parametrize(
    ("status", "selection", "failed", "rejected", "expected"),
    [
        # Two failed executions cannot be the last ones of a thing with three retries.
        ("COMPLETED", "SNAPSHOT", 2, 0, SUCCEEDED),
        ("COMPLETED", "SNAPSHOT", 3, 0, UNDECIDED),
        ("COMPLETED", "SNAPSHOT", 4, 0, FAILED),
        ("COMPLETED", "SNAPSHOT", 0, 1, FAILED),
        ("CANCELED", "SNAPSHOT", 2, 0, FAILED),
        ("IN_PROGRESS", "CONTINUOUS", 0, 0, SUCCEEDED),
        ("IN_PROGRESS", "CONTINUOUS", 2, 0, UNDECIDED),
        ("IN_PROGRESS", "SNAPSHOT", 3, 0, PENDING),
    ],
)
def test_a_job_with_retries(status: str, selection: str, failed: int, rejected: int, expected: Outcome) -> None:
    counts = dict.fromkeys(MEMBERS.values(), 0)
    details = {
        **counts,
        "numberOfSucceededThings": 1,
        "numberOfFailedThings": failed,
        "numberOfRejectedThings": rejected,
    }
    retries = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 3}]}
    job = {"targetSelection": selection, "jobProcessDetails": details, "jobExecutionsRetryConfig": retries}
    parsed = iot_job.parse("x", {"job": {"status": status, **job}})
    assert outcome(iot_job.KIND, parsed, NO_OPTIONS) is expected


@pytest.mark.parametrize(
    ("status", "selection", "failed", "expected"),
    [
        ("ACTIVE", "SNAPSHOT", 0, PENDING),
        ("ACTIVE", "CONTINUOUS", 0, SUCCEEDED),
        ("ACTIVE", "CONTINUOUS", 1, FAILED),
        ("COMPLETED", "SNAPSHOT", 0, SUCCEEDED),
        ("COMPLETED", "SNAPSHOT", 1, FAILED),
        ("INACTIVE", "CONTINUOUS", 0, FAILED),
        ("FAILED", "", 0, FAILED),
    ],
)
def test_a_deployment(status: str, selection: str, failed: int, expected: Outcome) -> None:
    counts = {"numberOfQueuedThings": 0, "numberOfInProgressThings": 0, "numberOfSucceededThings": 1}
    job = {"targetSelection": selection, "jobProcessDetails": {**counts, "numberOfFailedThings": failed}}
    parsed = greengrass_deployment.parse("x", {"deploymentStatus": status})
    deployment = job_operation.with_job(parsed, job if selection else {})
    assert outcome(greengrass_deployment.KIND, deployment, NO_OPTIONS) is expected


@pytest.mark.parametrize(
    ("groups", "expected"), [(["Success"], SUCCEEDED), (["Success", "Failure"], FAILED), (["InProgress"], PENDING)]
)
def test_a_bulk_deployment_ends_with_its_groups(groups: list[str], expected: Outcome) -> None:
    counts = tuple((status, groups.count(status)) for status in greengrass_bulk_deployment.GROUP_STATUSES)
    described = {"BulkDeploymentStatus": "Completed", "BulkDeploymentMetrics": {"InvalidInputRecords": 0}}
    deployment = greengrass_bulk_deployment.parse("x", described, counts)
    assert outcome(greengrass_bulk_deployment.KIND, deployment, frozenset({"details"})) is expected
