"""Any response of AWS: no scrape fails, and no scrape shows what AWS did not send."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.properties.example_counts import settings_for
from tests.properties.html_reader import expected_text, operation_texts
from tests.properties.response_strategies import CALLS, STS, Responses, encoded_response, mixed_responses, valid_content
from tests.properties.scrape_invariants import CheckedScrape, checked_scrape
from tests.support.repository import program
from tests.support.scripted_endpoint import HttpResponse
from tests.support.virtual_exporter import OPENMETRICS, VirtualExporter, VirtualExporters, virtual_exporters

TAGS = ("team", "cost center", "cost-center")
# The second account is the same as the first one, by its id.
CONFIG = """
accounts:
  - name: one
    account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - {kind: thing_registration_task, ids: [named], discover: {statuses: [InProgress, Failed]}}
      - {kind: greengrass_bulk_deployment, ids: [named], discover: true, details: true}
      - {kind: iot_job, ids: [named], discover: true}
      - {kind: greengrass_deployment, ids: [named], discover: true}
  - name: twin
    regions: [eu-west-1]
    watch:
      - {kind: thing_registration_task, discover: {statuses: [InProgress]}}
      - {kind: greengrass_deployment, ids: [named]}
aws: {max_attempts: 1}
labels: {tags: [team, cost center, cost-center]}
"""
METRICS = "GetBulkDeploymentStatus BulkDeploymentMetrics"
MEMBERS = {
    "queued": "numberOfQueuedThings",
    "in_progress": "numberOfInProgressThings",
    "succeeded": "numberOfSucceededThings",
    "failed": "numberOfFailedThings",
    "rejected": "numberOfRejectedThings",
    "timed_out": "numberOfTimedOutThings",
    "removed": "numberOfRemovedThings",
    "canceled": "numberOfCanceledThings",
}
# The path of each count in the responses. ``MEMBERS`` has those of things by state.
COUNTS: Mapping[str, str] = {
    "aws_iot_thing_registration_task_succeeded_things": "DescribeThingRegistrationTask successCount",
    "aws_iot_thing_registration_task_failed_things": "DescribeThingRegistrationTask failureCount",
    "aws_greengrass_bulk_deployment_processed_records": f"{METRICS} RecordsProcessed",
    "aws_greengrass_bulk_deployment_invalid_input_records": f"{METRICS} InvalidInputRecords",
    "aws_greengrass_bulk_deployment_retry_attempts": f"{METRICS} RetryAttempts",
    "aws_iot_job_things": "DescribeJob job jobProcessDetails",
    "aws_greengrass_deployment_things": "DescribeJob job jobProcessDetails",
}


@dataclass
class FixedResponses:
    """An AWS with one response for each API."""

    responses: Mapping[str, HttpResponse] = field(default_factory=dict)

    def __call__(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response of an API."""
        return self.responses.get(api, STS)


@pytest.fixture(scope="module")
def aws() -> FixedResponses:
    """The AWS. Each example sets its responses."""
    return FixedResponses()


@pytest.fixture(scope="module")
def exporters(aws: FixedResponses) -> Iterator[VirtualExporters]:
    with virtual_exporters(aws) as found:
        yield found


def consistent_scrape(exporter: VirtualExporter) -> CheckedScrape:
    """Return the content of a scrape. Fail if formats, pages or the JSON differ or cannot be read."""
    found = checked_scrape(exporter.scrape(), TAGS)
    again = checked_scrape(exporter.scrape(OPENMETRICS), TAGS, openmetrics=True)
    assert again.operations == found.operations
    operations = json.loads(exporter.get("/api/v1/operations").text, parse_constant=pytest.fail)["operations"]
    cells = json.loads(exporter.get("/api/v1/cells").text, parse_constant=pytest.fail)["cells"]
    assert sorted(
        (entry["aws_account_id"], entry["aws_region"], entry["kind"], entry["id"]) for entry in operations
    ) == sorted(found.operations)
    assert {(cell["account"], cell["aws_region"], cell["kind"]): float(cell["up"]) for cell in cells} == found.cells(
        "up"
    )
    assert operation_texts(exporter.get("/").text) == [expected_text(operation) for operation in operations]
    assert exporter.loop.faults == []
    return found


@settings_for(50)
@given(mixed_responses())
def test_no_response_makes_a_scrape_fail_or_show_invented_counts(
    exporters: VirtualExporters, aws: FixedResponses, responses: Responses
) -> None:
    aws.responses = responses
    with exporters.start(CONFIG) as exporter:
        check_counts(checked_scrape(exporter.scrape(), TAGS), aws.responses)
        exporter.loop.pass_time(20)
        found = consistent_scrape(exporter)
        check_counts(found, aws.responses)
        event(f"operations: {min(len(found.operations), 10)}")


@settings_for(30)
@given(st.fixed_dictionaries({name: valid_content(call) for name, call in CALLS.items()}))
def test_a_valid_response_always_gives_its_series(
    exporters: VirtualExporters, aws: FixedResponses, contents: Mapping[str, Any]
) -> None:
    aws.responses = {name: encoded_response(content) for name, content in contents.items()}
    with exporters.start(CONFIG) as exporter:
        found = consistent_scrape(exporter)
    check_counts(found, aws.responses)
    assert found.rows("aws_iot_bulk_exporter_cell_error") == [], exporter.log.getvalue()
    assert set(found.cells("up").values()) == {1.0}
    for kind, listed in listed_ids(contents).items():
        assert {identity[3] for identity in found.operations if identity[2] == kind} == {"named", *listed}


@settings_for(3)
@given(st.fixed_dictionaries({name: valid_content(call) for name, call in CALLS.items()}))
def test_promtool_accepts_every_exposition(
    exporters: VirtualExporters, aws: FixedResponses, contents: Mapping[str, Any]
) -> None:
    aws.responses = {name: encoded_response(content) for name, content in contents.items()}
    with exporters.start(CONFIG) as exporter:
        text = exporter.scrape().encode()
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def listed_ids(contents: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ids in each kind's list."""
    return {
        "thing_registration_task": contents["ListThingRegistrationTasks"]["taskIds"],
        "greengrass_bulk_deployment": [
            entry["BulkDeploymentId"] for entry in contents["ListBulkDeployments"]["BulkDeployments"]
        ],
        "iot_job": [entry["jobId"] for entry in contents["ListJobs"]["jobs"]],
        "greengrass_deployment": [entry["deploymentId"] for entry in contents["ListDeployments"]["deployments"]],
    }


def check_counts(found: CheckedScrape, responses: Mapping[str, HttpResponse]) -> None:
    """Fail unless every count equals the number in the response."""
    for name, count in COUNTS.items():
        api, *path = count.split()
        for labels, value in found.rows(name):
            expected: Any = json.loads(responses[api].body)
            for part in (*path, MEMBERS[labels["state"]]) if "state" in labels else path:
                expected = expected[part]
            assert value == expected
