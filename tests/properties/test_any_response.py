"""Whatever AWS answers: a scrape never fails, and never says what AWS did not say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.properties.example_counts import tried
from tests.properties.html_reader import text_of, texts_of
from tests.properties.response_strategies import CALLS, STS, Answers, encoded, right, some_wrong
from tests.properties.scrape_invariants import Judged, judged
from tests.support.required_programs import program
from tests.support.scripted_endpoint import HttpResponse
from tests.support.virtual_exporter import OPENMETRICS, VirtualExporter, VirtualExporters, virtual_exporters

TAGS = ("team", "cost center", "cost-center")
# The second account turns out to be the first one.
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
# Where each count stands in AWS's answers; those of things by their state below.
COUNTS: Mapping[str, tuple[str, ...]] = {
    "aws_iot_thing_registration_task_succeeded_things": ("DescribeThingRegistrationTask", "successCount"),
    "aws_iot_thing_registration_task_failed_things": ("DescribeThingRegistrationTask", "failureCount"),
    "aws_greengrass_bulk_deployment_processed_records": (
        "GetBulkDeploymentStatus",
        "BulkDeploymentMetrics",
        "RecordsProcessed",
    ),
    "aws_greengrass_bulk_deployment_invalid_input_records": (
        "GetBulkDeploymentStatus",
        "BulkDeploymentMetrics",
        "InvalidInputRecords",
    ),
    "aws_greengrass_bulk_deployment_retry_attempts": (
        "GetBulkDeploymentStatus",
        "BulkDeploymentMetrics",
        "RetryAttempts",
    ),
    "aws_iot_job_things": ("DescribeJob", "job", "jobProcessDetails"),
    "aws_greengrass_deployment_things": ("DescribeJob", "job", "jobProcessDetails"),
}


@dataclass
class Told:
    """An AWS that gives each API one answer."""

    answers: Mapping[str, HttpResponse] = field(default_factory=dict)

    def __call__(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the answer of an API."""
        return self.answers.get(api, STS)


@pytest.fixture(scope="module")
def told() -> Told:
    """What AWS answers in the example at hand."""
    return Told()


@pytest.fixture(scope="module")
def place(told: Told) -> Iterator[VirtualExporters]:
    with virtual_exporters(told) as found:
        yield found


def all_shown(stage: VirtualExporter) -> Judged:
    """Return what is exposed; fails where formats differ, or where a page or the JSON cannot be read or says else."""
    found = judged(stage.scrape(), TAGS)
    again = judged(stage.scrape(OPENMETRICS), TAGS, openmetrics=True)
    assert again.operations == found.operations
    operations = json.loads(stage.get("/api/v1/operations").text, parse_constant=pytest.fail)["operations"]
    cells = json.loads(stage.get("/api/v1/cells").text, parse_constant=pytest.fail)["cells"]
    assert sorted((one["aws_account_id"], one["aws_region"], one["kind"], one["id"]) for one in operations) == sorted(
        found.operations
    )
    assert {(one["account"], one["aws_region"], one["kind"]): float(one["up"]) for one in cells} == found.cells("up")
    assert texts_of(stage.get("/").text) == [text_of(one) for one in operations]
    assert stage.loop.faults == []
    return found


@tried(50)
@given(some_wrong())
def test_any_answer_is_survived_and_nothing_else_is_told(place: VirtualExporters, told: Told, answers: Answers) -> None:
    told.answers = answers
    with place.stage(CONFIG) as stage:
        counts_are_those_of(judged(stage.scrape(), TAGS), told.answers)
        stage.loop.pass_time(20)
        found = all_shown(stage)
        counts_are_those_of(found, told.answers)
        event(f"operations: {min(len(found.operations), 10)}")


@tried(30)
@given(st.fixed_dictionaries({name: right(call) for name, call in CALLS.items()}))
def test_a_right_answer_always_gives_its_rows(place: VirtualExporters, told: Told, contents: Mapping[str, Any]) -> None:
    told.answers = {name: encoded(content) for name, content in contents.items()}
    with place.stage(CONFIG) as stage:
        found = all_shown(stage)
    counts_are_those_of(found, told.answers)
    assert found.rows("aws_iot_bulk_exporter_cell_error") == [], stage.log.getvalue()
    assert set(found.cells("up").values()) == {1.0}
    for kind, listed in listed_in(contents).items():
        assert {identity[3] for identity in found.operations if identity[2] == kind} == {"named", *listed}


@tried(3)
@given(st.fixed_dictionaries({name: right(call) for name, call in CALLS.items()}))
def test_promtool_has_nothing_against_it(place: VirtualExporters, told: Told, contents: Mapping[str, Any]) -> None:
    told.answers = {name: encoded(content) for name, content in contents.items()}
    with place.stage(CONFIG) as stage:
        text = stage.scrape().encode()
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def listed_in(contents: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ids on each kind's list."""
    return {
        "thing_registration_task": contents["ListThingRegistrationTasks"]["taskIds"],
        "greengrass_bulk_deployment": [
            one["BulkDeploymentId"] for one in contents["ListBulkDeployments"]["BulkDeployments"]
        ],
        "iot_job": [one["jobId"] for one in contents["ListJobs"]["jobs"]],
        "greengrass_deployment": [one["deploymentId"] for one in contents["ListDeployments"]["deployments"]],
    }


def counts_are_those_of(found: Judged, answers: Mapping[str, HttpResponse]) -> None:
    """Fail where a count is not to the digit what AWS wrote."""
    for name, (api, *path) in COUNTS.items():
        for labels, value in found.rows(name):
            written: Any = json.loads(answers[api].body)
            for part in (*path, MEMBERS[labels["state"]]) if "state" in labels else path:
                written = written[part]
            assert value == written
