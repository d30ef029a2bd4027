"""A failure stays in its cell: all other rows are served, and the cell says why it is not up."""

from __future__ import annotations

import socket

import pytest

from tests.support.exporter_server import aws_environment, exporting
from tests.support.scripted_endpoint import Answer, ScriptedAws, answer, refusal
from tests.support.servers import serving

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
    return ScriptedAws({GOOD: answer(TASK), OTHER: answer(TASK), BULK_STATUS: answer(BULK)})


def ids_with_rows(exposed: str) -> set[str]:
    """The ids of the registration tasks that have a count."""
    return {row.split(',id="')[1].split('"')[0] for row in exposed.splitlines() if row.startswith(SUCCEEDED)}


def reasons(exposed: str) -> set[tuple[str, str]]:
    """The kinds that fail, each with its reasons."""
    rows = [row for row in exposed.splitlines() if row.startswith("aws_iot_bulk_exporter_cell_error{")]
    return {(row.split(',kind="')[1].split('"')[0], row.split('reason="')[1].split('"')[0]) for row in rows}


BROKEN = {
    "HTML with 200": Answer(b"<html>log in</html>", headers={"content-type": "text/html"}),
    "an empty object": answer({}),
    "an empty body": Answer(b""),
    "a truncated body": Answer(b'{"status": "InProg', headers={"content-type": "application/json"}),
    "a body shorter than announced": Answer(b'{"status": "InProgress"}', announced=500),
    "a list": answer([TASK]),
    "null": answer(None),
    "a status that is no text": answer({"status": 7}),
    "an empty status": answer({"status": ""}),
    "a count that is no number": answer({**TASK, "successCount": "many"}),
    "true for a count": answer({**TASK, "successCount": True}),
    "a negative count": answer({**TASK, "successCount": -1}),
    "a count beyond all things": answer({**TASK, "failureCount": 10**30}),
    "a percentage above 100": answer({**TASK, "percentageProgress": 101}),
    "a time that is none": answer({**TASK, "creationDate": "soon"}),
    "a text longer than any of AWS": answer({**TASK, "inputFileBucket": "x" * 3000}),
    "a structure for a text": answer({**TASK, "inputFileBucket": {"a": "b"}}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_success_without_usable_content_is_malformed_and_costs_no_row(broken: Answer) -> None:
    aws = all_well()
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        assert ids_with_rows(exporter.scrape()) == {"good", "other"}
        aws.answers[GOOD] = broken
        exposed = exporter.scrape()
        assert ids_with_rows(exposed) == {"good", "other"}
        assert f"aws_iot_bulk_exporter_up{{{CELL}}} 0.0" in exposed
        assert reasons(exposed) == {("thing_registration_task", "malformed")}
        aws.answers[GOOD] = answer(TASK)
        assert f"aws_iot_bulk_exporter_up{{{CELL}}} 1.0" in exporter.scrape()


def test_a_broken_answer_never_makes_a_row_of_its_own() -> None:
    aws = all_well()
    aws.answers[GOOD] = answer({})
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        exposed = exporter.scrape()
    assert ids_with_rows(exposed) == {"other"}
    assert 'id="good"' not in exposed


def test_an_id_that_aws_does_not_know_has_no_row_and_is_not_asked_for_again_soon() -> None:
    aws = all_well()
    del aws.answers[GOOD]
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert ids_with_rows(exposed) == {"other"}
            assert reasons(exposed) == {("thing_registration_task", "not_found")}
        assert aws.requests.count(GOOD) == 1
        assert exporter.log.getvalue().count("not_found") == 1
        aws.answers[GOOD] = answer(TASK)
        exporter.clock.advance(3600)
        assert ids_with_rows(exporter.scrape()) == {"good", "other"}
        assert reasons(exporter.scrape()) == set()


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (refusal("AccessDeniedException", 403), "access_denied"),
        (refusal("UnauthorizedException", 401), "access_denied"),
        (refusal("ExpiredTokenException", 403), "credentials"),
        (refusal("UnrecognizedClientException", 403), "credentials"),
        (refusal("ThrottlingException", 400), "throttled"),
        (refusal("InvalidRequestException", 400), "other"),
        (refusal("InternalFailureException", 500), "server_error"),
        (Answer(b"<html>bad gateway</html>", 502, {"content-type": "text/html"}), "server_error"),
        (Answer(b"<html>not here</html>", 404, {"content-type": "text/html"}), "malformed"),
    ],
)
def test_a_refused_call_keeps_the_last_rows_and_names_the_reason(refused: Answer, reason: str) -> None:
    aws = all_well()
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.answers[GOOD] = aws.answers[OTHER] = refused
        exposed = exporter.scrape()
        assert ids_with_rows(exposed) == {"good", "other"}
        assert "aws_greengrass_bulk_deployment_processed_records" in exposed
        assert reasons(exposed) == {("thing_registration_task", reason)}


def test_rows_that_cannot_be_read_again_vanish_after_stale_after() -> None:
    aws = all_well()
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.answers[GOOD] = refusal("InternalFailureException", 500)
        exporter.clock.advance(400)
        assert ids_with_rows(exporter.scrape()) == {"good", "other"}
        exporter.clock.advance(300)
        assert ids_with_rows(exporter.scrape()) == {"other"}


def test_an_unreachable_endpoint_of_one_service_leaves_the_other_service_alone() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            serving(all_well().app()) as endpoint,
            exporting(CONFIG, endpoint) as exporter,
            aws_environment(endpoint, AWS_ENDPOINT_URL_GREENGRASS=closed),
        ):
            exposed = exporter.scrape()
    assert ids_with_rows(exposed) == {"good", "other"}
    assert reasons(exposed) == {("greengrass_bulk_deployment", "connection")}


def test_a_throttling_answer_that_asks_for_an_hour_is_not_waited_for_and_not_asked_again_and_again() -> None:
    aws = all_well()
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        exporter.scrape()
        before = len(aws.requests)
        body = b'{"message": "slow down"}'
        aws.answers[GOOD] = aws.answers[OTHER] = Answer(
            body, 429, {"retry-after": "3600", "x-amz-retry-after": "3600000"}
        )
        exposed = exporter.scrape()
        assert ids_with_rows(exposed) == {"good", "other"}
        assert reasons(exposed) == {("thing_registration_task", "throttled")}
        assert len(aws.requests) - before == 2 * 2 + 1


def test_an_operation_that_ended_keeps_its_rows_while_nothing_is_asked_because_another_id_is_unknown() -> None:
    aws = ScriptedAws({GOOD: answer({**TASK, "status": "Completed"}), BULK_STATUS: answer(BULK)})
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape(after=700)
            assert ids_with_rows(exposed) == {"good"}
            assert reasons(exposed) == {("thing_registration_task", "not_found")}
