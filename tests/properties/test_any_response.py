"""Any response of AWS: no scrape fails, and no scrape shows what AWS did not send."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import event, given

from exporter.kinds.metric import IDENTITY
from tests.properties.example_counts import settings_for
from tests.properties.response_strategies import STS, Responses, mixed_responses, valid_contents
from tests.properties.scrape_invariants import CheckedScrape, cell_of, checked_scrape
from tests.support.repository import program
from tests.support.scripted_endpoint import HttpResponse, json_response
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


@pytest.fixture(scope="module")
def aws() -> dict[str, HttpResponse]:
    """AWS's response to each API. Each example sets them."""
    return {}


@pytest.fixture(scope="module")
def exporters(aws: dict[str, HttpResponse]) -> Iterator[VirtualExporters]:
    with virtual_exporters(lambda api, request: aws.get(api, STS)) as found:
        yield found


VOID_ELEMENTS = frozenset({"meta", "link", "img", "input", "rect", "br"})


class _Table(HTMLParser):
    """Collects the texts of the operations' table, and checks every element of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[dict[str, str]] = []
        self.scripts = 0
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert not [name for name in attributes if name.startswith("on")]
        self.scripts += tag == "script"
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append({})
        self._label = attributes.get("data-label") or self._label

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID_ELEMENTS:
            assert self.open.pop() == tag
        if tag in ("th", "td"):
            self._label = ""

    def handle_data(self, data: str) -> None:
        if self._label:
            self.rows[-1][self._label] = self.rows[-1].get(self._label, "") + data


def operation_texts(page: str) -> list[tuple[str, str]]:
    """Return the texts from AWS in each operation's row. Fail for an unclosed or foreign element."""
    table = _Table()
    table.feed(page)
    table.close()
    assert table.open == []
    assert table.scripts == 1
    return [(row["Operation"], row["Status"]) for row in table.rows if "Operation" in row]


def expected_text(operation: Mapping[str, Any]) -> tuple[str, str]:
    """Return the same texts of an operation in the JSON."""
    about = operation["input"] or operation["target"] or ""
    return (f"{operation['name'] or ''}{operation['id']}{about}", operation["status"])


def consistent_scrape(exporter: VirtualExporter) -> CheckedScrape:
    """Return the content of a scrape. Fail if formats, pages or the JSON differ or cannot be read."""
    found = checked_scrape(exporter.scrape(), TAGS)
    again = checked_scrape(exporter.scrape(OPENMETRICS), TAGS, openmetrics=True)
    assert again.operations == found.operations
    operations = json.loads(exporter.get("/api/v1/operations").text, parse_constant=pytest.fail)["operations"]
    cells = json.loads(exporter.get("/api/v1/cells").text, parse_constant=pytest.fail)["cells"]
    assert sorted(map(itemgetter(*IDENTITY), operations)) == sorted(found.operations)
    assert {cell_of(cell): float(cell["up"]) for cell in cells} == found.cells("up")
    assert operation_texts(exporter.get("/").text) == [expected_text(operation) for operation in operations]
    assert exporter.loop.faults == []
    return found


@settings_for(50)
@given(mixed_responses)
def test_no_response_makes_a_scrape_fail_or_show_invented_counts(
    exporters: VirtualExporters, aws: dict[str, HttpResponse], responses: Responses
) -> None:
    aws.update(responses)
    with exporters.start(CONFIG) as exporter:
        check_counts(checked_scrape(exporter.scrape(), TAGS), aws)
        exporter.loop.pass_time(20)
        found = consistent_scrape(exporter)
        check_counts(found, aws)
        event(f"operations: {min(len(found.operations), 10)}")


@settings_for(30)
@given(valid_contents)
def test_a_valid_response_always_gives_its_series(
    exporters: VirtualExporters, aws: dict[str, HttpResponse], contents: Mapping[str, Any]
) -> None:
    aws.update({name: json_response(content) for name, content in contents.items()})
    with exporters.start(CONFIG) as exporter:
        found = consistent_scrape(exporter)
    check_counts(found, aws)
    assert found.rows("aws_iot_bulk_exporter_cell_error") == [], exporter.log.getvalue()
    assert set(found.cells("up").values()) == {1.0}
    for kind, listed in listed_ids(contents).items():
        assert {identity[3] for identity in found.operations if identity[2] == kind} == {"named", *listed}


@settings_for(3)
@given(valid_contents)
def test_promtool_accepts_every_exposition(
    exporters: VirtualExporters, aws: dict[str, HttpResponse], contents: Mapping[str, Any]
) -> None:
    aws.update({name: json_response(content) for name, content in contents.items()})
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
