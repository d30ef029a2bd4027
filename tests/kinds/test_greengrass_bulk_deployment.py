"""Groups of a Greengrass V1 bulk deployment: read while it runs, and after its end until every one is final."""

from __future__ import annotations

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
    """What GetBulkDeploymentStatus answers."""
    metrics = {"RecordsProcessed": 3, "InvalidInputRecords": 1, "RetryAttempts": 0}
    return json_response({"BulkDeploymentStatus": text, "BulkDeploymentMetrics": metrics})


def reports(*groups: str, token: str | None = None) -> HttpResponse:
    """A page of ListBulkDeploymentDetailedReports."""
    return json_response({"Deployments": [{"DeploymentStatus": group} for group in groups], "NextToken": token})


def counts(exporter: ServedExporter) -> dict[str, float]:
    """The groups in each status that has any, after one more scrape."""
    rows = [row for row in exporter.scrape().splitlines() if row.startswith(GROUPS)]
    found = {row.split('status="')[1].split('"')[0]: float(row.rpartition(" ")[2]) for row in rows}
    return {status: number for status, number in found.items() if number}


def test_groups_are_read_until_every_one_is_final_and_then_no_more() -> None:
    aws = ScriptedAws({STATUS: status("Running"), REPORTS: reports("Building", "InProgress", "Success")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Building": 1, "InProgress": 1, "Success": 1}
        aws.responses |= {STATUS: status("Completed"), REPORTS: reports("InProgress", "Failure", "Success")}
        assert counts(exporter) == {"InProgress": 1, "Failure": 1, "Success": 1}
        aws.responses[REPORTS] = reports("Success", "Failure", "Success")
        assert counts(exporter) == {"Failure": 1, "Success": 2}
        asked = len(aws.requests)
        assert counts(exporter) == {"Failure": 1, "Success": 2}
        assert len(aws.requests) == asked


def test_the_groups_of_every_page_count() -> None:
    first = {STATUS: status("Running"), REPORTS: reports("Success", "Failure", token="2")}
    aws = ScriptedAws({**first, f"{REPORTS}?NextToken=2": reports("Success", "StatusOfTomorrow")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Success": 2, "Failure": 1, "Unknown": 1}


def test_a_group_that_two_pages_tell_of_counts_once_as_the_later_one_has_it() -> None:
    def page(token: str | None, **groups: str) -> HttpResponse:
        reports = [{"DeploymentId": id, "DeploymentStatus": status} for id, status in groups.items()]
        return json_response({"Deployments": reports, "NextToken": token})

    first = {STATUS: status("Running"), REPORTS: page("2", a="Success", b="InProgress")}
    aws = ScriptedAws({**first, f"{REPORTS}?NextToken=2": page(None, b="Failure", c="Success")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Success": 2, "Failure": 1}


def test_reports_that_cannot_be_read_leave_the_last_groups_and_say_why() -> None:
    aws = ScriptedAws({STATUS: status("Running"), REPORTS: reports("Success", "Success")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert counts(exporter) == {"Success": 2}
        aws.responses |= {STATUS: status("Completed"), REPORTS: error_response("InternalServerException", 500)}
        assert counts(exporter) == {"Success": 2}
        assert 'reason="server_error"} 1.0' in exporter.scrape()


def test_the_tally_knows_successes_by_the_groups_alone() -> None:
    described = {"BulkDeploymentStatus": "Completed", "BulkDeploymentMetrics": {"InvalidInputRecords": 4}}
    groups = (("Building", 0), ("InProgress", 0), ("Success", 7), ("Failure", 2), ("Unknown", 0))
    assert KIND.item_counts(parse("bulk", described)) == ItemCounts(None, 4)
    assert KIND.item_counts(parse("bulk", described, groups)) == ItemCounts(7, 4)
