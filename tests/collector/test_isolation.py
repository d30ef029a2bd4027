"""A failure stays in its cell: all other rows are served, and the cell says why it is not up."""

from __future__ import annotations

import socket

import pytest

from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

CONFIG = """
accounts:
  - account_id: "111122223333"
    watch:
      - {kind: thing_registration_task, ids: [good, other]}
      - {kind: greengrass_bulk_deployment, ids: [bulk]}
"""
TASK = {"status": "InProgress", "successCount": 5}
BULK = {"BulkDeploymentStatus": "Running", "BulkDeploymentMetrics": {"RecordsProcessed": 3}}
GOOD, OTHER = "/thing-registration-tasks/good", "/thing-registration-tasks/other"
BULK_STATUS = "/greengrass/bulk/deployments/bulk/status"
CELL = 'account="default",aws_account_id="111122223333",aws_region="eu-west-1",kind="thing_registration_task"'
SUCCEEDED = "aws_iot_thing_registration_task_succeeded_things"


def all_well() -> ScriptedAws:
    """An AWS that knows every operation of the configuration."""
    return ScriptedAws({GOOD: json_response(TASK), OTHER: json_response(TASK), BULK_STATUS: json_response(BULK)})


def ids_with_rows(exposed: str) -> set[str]:
    """The ids of the registration tasks that have a count."""
    return {row.split(',id="')[1].split('"')[0] for row in exposed.splitlines() if row.startswith(SUCCEEDED)}


def reasons(exposed: str) -> set[tuple[str, str]]:
    """The kinds that fail, each with its reasons."""
    rows = [row for row in exposed.splitlines() if row.startswith("aws_iot_bulk_exporter_cell_error{")]
    return {(row.split(',kind="')[1].split('"')[0], row.split('reason="')[1].split('"')[0]) for row in rows}


BROKEN = {
    "HTML with 200": HttpResponse(b"<html>log in</html>", headers={"content-type": "text/html"}),
    "an empty object": json_response({}),
    "an empty body": HttpResponse(b""),
    "a truncated body": HttpResponse(b'{"status": "InProg', headers={"content-type": "application/json"}),
    "a body shorter than announced": HttpResponse(b'{"status": "InProgress"}', content_length=500),
    "a list": json_response([TASK]),
    "null": json_response(None),
    "a status that is no text": json_response({"status": 7}),
    "an empty status": json_response({"status": ""}),
    "a count that is no number": json_response({**TASK, "successCount": "many"}),
    "true for a count": json_response({**TASK, "successCount": True}),
    "a negative count": json_response({**TASK, "successCount": -1}),
    "a count beyond all things": json_response({**TASK, "failureCount": 10**30}),
    "a percentage above 100": json_response({**TASK, "percentageProgress": 101}),
    "a time that is none": json_response({**TASK, "creationDate": "soon"}),
    "a text longer than any of AWS": json_response({**TASK, "inputFileBucket": "x" * 3000}),
    "a structure for a text": json_response({**TASK, "inputFileBucket": {"a": "b"}}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_success_without_usable_content_is_malformed_and_costs_no_row(broken: HttpResponse) -> None:
    aws = all_well()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert ids_with_rows(exporter.scrape()) == {"good", "other"}
        aws.responses[GOOD] = broken
        exposed = exporter.scrape()
        assert ids_with_rows(exposed) == {"good", "other"}
        assert f"aws_iot_bulk_exporter_up{{{CELL}}} 0.0" in exposed
        assert reasons(exposed) == {("thing_registration_task", "malformed")}
        aws.responses[GOOD] = json_response(TASK)
        assert f"aws_iot_bulk_exporter_up{{{CELL}}} 1.0" in exporter.scrape()


def test_a_broken_answer_never_makes_a_row_of_its_own() -> None:
    aws = all_well()
    aws.responses[GOOD] = json_response({})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exposed = exporter.scrape()
    assert ids_with_rows(exposed) == {"other"}
    assert 'id="good"' not in exposed


def test_an_id_that_aws_does_not_know_has_no_row_and_is_not_asked_for_again_soon() -> None:
    aws = all_well()
    del aws.responses[GOOD]
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert ids_with_rows(exposed) == {"other"}
            assert reasons(exposed) == {("thing_registration_task", "not_found")}
        assert aws.requests.count(GOOD) == 1
        assert exporter.log.getvalue().count("not_found") == 1
        aws.responses[GOOD] = json_response(TASK)
        exporter.clock.advance(3600)
        assert ids_with_rows(exporter.scrape()) == {"good", "other"}
        assert reasons(exporter.scrape()) == set()


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (error_response("AccessDeniedException", 403), "access_denied"),
        (error_response("UnauthorizedException", 401), "access_denied"),
        (error_response("ExpiredTokenException", 403), "credentials"),
        (error_response("UnrecognizedClientException", 403), "credentials"),
        (error_response("ThrottlingException", 400), "throttled"),
        (error_response("InvalidRequestException", 400), "other"),
        (error_response("InternalFailureException", 500), "server_error"),
        (HttpResponse(b"<html>bad gateway</html>", 502, {"content-type": "text/html"}), "server_error"),
        (HttpResponse(b"<html>not here</html>", 404, {"content-type": "text/html"}), "malformed"),
    ],
)
def test_a_refused_call_keeps_the_last_rows_and_names_the_reason(refused: HttpResponse, reason: str) -> None:
    aws = all_well()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = aws.responses[OTHER] = refused
        exposed = exporter.scrape()
        assert ids_with_rows(exposed) == {"good", "other"}
        assert "aws_greengrass_bulk_deployment_processed_records" in exposed
        assert reasons(exposed) == {("thing_registration_task", reason)}


def test_rows_that_cannot_be_read_again_vanish_after_stale_after() -> None:
    aws = all_well()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = error_response("InternalFailureException", 500)
        exporter.clock.advance(400)
        assert ids_with_rows(exporter.scrape()) == {"good", "other"}
        exporter.clock.advance(300)
        assert ids_with_rows(exporter.scrape()) == {"other"}


def test_an_unreachable_endpoint_of_one_service_leaves_the_other_service_alone() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            serve_app(all_well().app()) as endpoint,
            serve_exporter(CONFIG, endpoint) as exporter,
            aws_environment(endpoint, AWS_ENDPOINT_URL_GREENGRASS=closed),
        ):
            exposed = exporter.scrape()
    assert ids_with_rows(exposed) == {"good", "other"}
    assert reasons(exposed) == {("greengrass_bulk_deployment", "connection")}


def test_a_throttling_answer_that_asks_for_an_hour_is_not_waited_for_and_not_asked_again_and_again() -> None:
    aws = all_well()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        before = len(aws.requests)
        body = b'{"message": "slow down"}'
        aws.responses[GOOD] = aws.responses[OTHER] = HttpResponse(
            body, 429, {"retry-after": "3600", "x-amz-retry-after": "3600000"}
        )
        exposed = exporter.scrape()
        assert ids_with_rows(exposed) == {"good", "other"}
        assert reasons(exposed) == {("thing_registration_task", "throttled")}
        assert len(aws.requests) - before == 2 * 2 + 1


def test_an_operation_that_ended_keeps_its_rows_while_nothing_is_asked_because_another_id_is_unknown() -> None:
    aws = ScriptedAws({GOOD: json_response({**TASK, "status": "Completed"}), BULK_STATUS: json_response(BULK)})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape(after=700)
            assert ids_with_rows(exposed) == {"good"}
            assert reasons(exposed) == {("thing_registration_task", "not_found")}
