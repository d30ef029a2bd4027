"""The group deployments of a Greengrass V1 bulk deployment: they are read until each of them is final."""

from exporter.core.model import ItemCounts
from exporter.kinds.greengrass_bulk_deployment import KIND, parse
from tests.support.exporter_server import ServedExporter, serve_exporter
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

CONFIG = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: greengrass_bulk_deployment, ids: [bulk], details: true}]
"""
STATUS = "/greengrass/bulk/deployments/bulk/status"
REPORTS = "/greengrass/bulk/deployments/bulk/detailed-reports"
GROUPS = "aws_greengrass_bulk_deployment_groups{"


def status(text: str) -> HttpResponse:
    metrics = {"RecordsProcessed": 3, "InvalidInputRecords": 1, "RetryAttempts": 0}
    return json_response({"BulkDeploymentStatus": text, "BulkDeploymentMetrics": metrics})


def reports(*groups: str, token: str | None = None, **groups_by_id: str) -> HttpResponse:
    """Return a page of group deployments by their statuses, some of which have an id."""
    entries = [{"DeploymentStatus": status} for status in groups]
    entries += [{"DeploymentId": id, "DeploymentStatus": status} for id, status in groups_by_id.items()]
    return json_response({"Deployments": entries, "NextToken": token})


def counts(exporter: ServedExporter) -> dict[str, float]:
    """Scrape, and return the number of groups by status, without zeros."""
    rows = [row for row in exporter.scrape().splitlines() if row.startswith(GROUPS)]
    numbers = {row.split('status="')[1].split('"')[0]: float(row.rpartition(" ")[2]) for row in rows}
    return {status: number for status, number in numbers.items() if number}


def test_groups_are_read_until_each_is_final() -> None:
    aws = ScriptedAws({STATUS: status("Running"), REPORTS: reports("Building", "InProgress", "Success")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Building": 1, "InProgress": 1, "Success": 1}
        aws.responses |= {STATUS: status("Completed"), REPORTS: reports("InProgress", "Failure", "Success")}
        assert counts(exporter) == {"InProgress": 1, "Failure": 1, "Success": 1}
        aws.responses[REPORTS] = reports("Success", "Failure", "Success")
        assert counts(exporter) == {"Failure": 1, "Success": 2}
        before = len(aws.requests)
        assert counts(exporter) == {"Failure": 1, "Success": 2}
        assert len(aws.requests) == before


def test_the_groups_of_all_pages_are_counted() -> None:
    first = {STATUS: status("Running"), REPORTS: reports("Success", "Failure", token="2")}
    aws = ScriptedAws({**first, f"{REPORTS}?NextToken=2": reports("Success", "NewStatus")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Success": 2, "Failure": 1, "Unknown": 1}


def test_a_group_on_two_pages_is_counted_once_with_its_later_status() -> None:
    first = {STATUS: status("Running"), REPORTS: reports(token="2", a="Success", b="InProgress")}
    aws = ScriptedAws({**first, f"{REPORTS}?NextToken=2": reports(b="Failure", c="Success")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Success": 2, "Failure": 1}


def test_failed_reports_keep_the_last_groups_and_have_a_reason() -> None:
    aws = ScriptedAws({STATUS: status("Running"), REPORTS: reports("Success", "Success")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Success": 2}
        aws.responses |= {STATUS: status("Completed"), REPORTS: error_response("InternalServerException", 500)}
        assert counts(exporter) == {"Success": 2}
        assert 'reason="server_error"} 1.0' in exporter.scrape()


def test_only_groups_count_as_successes() -> None:
    described = {"BulkDeploymentStatus": "Completed", "BulkDeploymentMetrics": {"InvalidInputRecords": 4}}
    groups = (("Building", 0), ("InProgress", 0), ("Success", 7), ("Failure", 2), ("Unknown", 0))
    assert KIND.item_counts(parse("bulk", described)) == ItemCounts(None, 4)
    assert KIND.item_counts(parse("bulk", described, groups)) == ItemCounts(7, 4)
