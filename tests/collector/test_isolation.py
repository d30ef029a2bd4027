"""A failure affects only its cell: all other series are served, and the cell has the reason why it is not up."""

import socket

import pytest

from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.exposition_rows import Scrape
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
SUCCEEDED = "aws_iot_thing_registration_task_succeeded_things"


def healthy_aws() -> ScriptedAws:
    """Return an AWS that has every operation of the configuration."""
    return ScriptedAws({GOOD: json_response(TASK), OTHER: json_response(TASK), BULK_STATUS: json_response(BULK)})


def ids_with_count(exposed: str) -> set[str]:
    """Return the ids of the registration tasks that have a count."""
    return set(Scrape(exposed).by("id", SUCCEEDED))


def is_up(exposed: str) -> bool:
    """Return whether the cell of registration tasks is up."""
    return Scrape(exposed).up()["thing_registration_task"] == 1.0


BROKEN = {
    "HTML with 200": HttpResponse(b"<html>log in</html>", headers={"content-type": "text/html"}),
    "an empty object": json_response({}),
    "an empty body": HttpResponse(b""),
    "a truncated body": HttpResponse(b'{"status": "InProg', headers={"content-type": "application/json"}),
    "a body shorter than its content-length": HttpResponse(b'{"status": "InProgress"}', content_length=500),
    "a list": json_response([TASK]),
    "null": json_response(None),
    "a status that is not a string": json_response({"status": 7}),
    "an empty status": json_response({"status": ""}),
    "a count that is not a number": json_response({**TASK, "successCount": "many"}),
    "a boolean count": json_response({**TASK, "successCount": True}),
    "a negative count": json_response({**TASK, "successCount": -1}),
    "a count above any number of things": json_response({**TASK, "failureCount": 10**30}),
    "a percentage above 100": json_response({**TASK, "percentageProgress": 101}),
    "an invalid time": json_response({**TASK, "creationDate": "soon"}),
    "a text above the limits of AWS": json_response({**TASK, "inputFileBucket": "x" * 3000}),
    "a structure instead of a text": json_response({**TASK, "inputFileBucket": {"a": "b"}}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_success_without_usable_content_is_malformed_and_keeps_the_series(broken: HttpResponse) -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert ids_with_count(exporter.scrape()) == {"good", "other"}
        aws.responses[GOOD] = broken
        exposed = exporter.scrape()
        assert ids_with_count(exposed) == {"good", "other"}
        assert not is_up(exposed)
        assert Scrape(exposed).reasons() == {("thing_registration_task", "malformed")}
        aws.responses[GOOD] = json_response(TASK)
        assert is_up(exporter.scrape())


def test_a_malformed_response_creates_no_series() -> None:
    aws = healthy_aws()
    aws.responses[GOOD] = json_response({})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exposed = exporter.scrape()
    assert ids_with_count(exposed) == {"other"}
    assert 'id="good"' not in exposed


def test_an_id_that_aws_does_not_know_has_no_series_and_is_not_requested_again_soon() -> None:
    aws = healthy_aws()
    del aws.responses[GOOD]
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert ids_with_count(exposed) == {"other"}
            assert Scrape(exposed).reasons() == {("thing_registration_task", "not_found")}
        assert aws.requests.count(GOOD) == 1
        assert exporter.log.getvalue().count("not_found") == 1
        aws.responses[GOOD] = json_response(TASK)
        exporter.clock.advance(3600)
        assert ids_with_count(exporter.scrape()) == {"good", "other"}
        assert Scrape(exporter.scrape()).reasons() == set()


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
def test_a_refused_call_keeps_the_last_series_and_has_a_reason(refused: HttpResponse, reason: str) -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = aws.responses[OTHER] = refused
        exposed = exporter.scrape()
        assert ids_with_count(exposed) == {"good", "other"}
        assert "aws_greengrass_bulk_deployment_processed_records" in exposed
        assert Scrape(exposed).reasons() == {("thing_registration_task", reason)}


def test_series_that_cannot_be_read_again_are_removed_after_stale_after() -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = error_response("InternalFailureException", 500)
        exporter.clock.advance(400)
        assert ids_with_count(exporter.scrape()) == {"good", "other"}
        exporter.clock.advance(300)
        assert ids_with_count(exporter.scrape()) == {"other"}


def test_an_unreachable_endpoint_of_one_service_does_not_affect_the_other_service() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            serve_app(healthy_aws().app()) as endpoint,
            serve_exporter(CONFIG, endpoint) as exporter,
            aws_environment(endpoint, AWS_ENDPOINT_URL_GREENGRASS=closed),
        ):
            exposed = exporter.scrape()
    assert ids_with_count(exposed) == {"good", "other"}
    assert Scrape(exposed).reasons() == {("greengrass_bulk_deployment", "connection")}


def test_a_retry_after_of_an_hour_is_not_waited_for_and_causes_no_further_retries() -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        before = len(aws.requests)
        body = b'{"message": "slow down"}'
        aws.responses[GOOD] = aws.responses[OTHER] = HttpResponse(
            body, 429, {"retry-after": "3600", "x-amz-retry-after": "3600000"}
        )
        exposed = exporter.scrape()
        assert ids_with_count(exposed) == {"good", "other"}
        assert Scrape(exposed).reasons() == {("thing_registration_task", "throttled")}
        assert len(aws.requests) - before == 2 * 2 + 1


def test_a_final_operation_keeps_its_series_while_another_id_is_unknown_and_nothing_is_called() -> None:
    aws = ScriptedAws({GOOD: json_response({**TASK, "status": "Completed"}), BULK_STATUS: json_response(BULK)})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape(after=700)
            assert ids_with_count(exposed) == {"good"}
            assert Scrape(exposed).reasons() == {("thing_registration_task", "not_found")}
