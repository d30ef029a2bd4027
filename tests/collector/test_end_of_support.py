"""A kind whose service AWS has switched off: known by being refused alone, asked rarely, and no general alarm."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from exporter.kinds.greengrass_bulk_deployment import KIND
from tests.support.clocks import ManualClock
from tests.support.exporter_server import ServedExporter, serve_exporter
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

CONFIG = """
accounts:
  - account_id: "111122223333"
    watch:
      - {kind: thing_registration_task, ids: [task]}
      - {kind: greengrass_bulk_deployment, ids: [bulk], discover: true}
aws: {max_attempts: 1, connect_timeout: 50ms}
"""
ALONE = CONFIG.replace("      - {kind: thing_registration_task, ids: [task]}\n", "")
TASK, BULK, LIST = (
    "/thing-registration-tasks/task",
    "/greengrass/bulk/deployments/bulk/status",
    "/greengrass/bulk/deployments",
)
RUNNING = json_response({"BulkDeploymentStatus": "Running"})
HOUR = 3600.0


def aws_answering(refused: HttpResponse, task: HttpResponse | None = None) -> ScriptedAws:
    """An AWS whose Greengrass V1 answers only so."""
    known = json_response({"status": "InProgress", "successCount": 1})
    return ScriptedAws({TASK: task or known, BULK: refused, LIST: refused})


def reasons(exposed: str) -> dict[str, set[str]]:
    """The reasons of each kind that fails."""
    found: dict[str, set[str]] = {}
    for row in exposed.splitlines():
        if row.startswith("aws_iot_bulk_exporter_cell_error{"):
            kind, reason = (row.split(f'{label}="')[1].split('"')[0] for label in (",kind", "reason"))
            found.setdefault(kind, set()).add(reason)
    return found


@contextmanager
def exporter_of(aws: ScriptedAws, config: str = CONFIG, clock: ManualClock | None = None) -> Iterator[ServedExporter]:
    """An exporter of such an AWS."""
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint, clock) as exporter:
        yield exporter


REFUSALS = {
    "AccessDeniedException": error_response("AccessDeniedException", 403),
    "AccessDeniedException with 400": error_response("AccessDeniedException", 400),
    "ForbiddenException": error_response("ForbiddenException", 400),
    "a bare 403": HttpResponse(b'{"message": "Forbidden"}', 403, {"content-type": "application/json"}),
    "ValidationException": error_response("ValidationException", 400),
    "MissingAuthenticationTokenException": error_response("MissingAuthenticationTokenException", 403),
}


@pytest.mark.parametrize("config", [CONFIG, ALONE], ids=["beside another kind", "alone"])
@pytest.mark.parametrize("refused", REFUSALS.values(), ids=REFUSALS)
def test_a_kind_that_alone_is_refused_after_its_end_of_support_is_recognised_at_once(
    refused: HttpResponse, config: str
) -> None:
    with exporter_of(aws_answering(refused), config) as exporter:
        exposed = exporter.scrape()
    assert reasons(exposed) == {KIND.name: {"end_of_support"}}
    assert ("aws_iot_thing_registration_task_succeeded_things{" in exposed) == (config == CONFIG)


def test_a_throttle_that_does_not_end_is_recognised_after_some_refreshes() -> None:
    with exporter_of(aws_answering(error_response("ThrottlingException", 400))) as exporter:
        seen = [reasons(exporter.scrape())[KIND.name] for _ in range(4)]
    assert seen == [{"throttled"}, {"throttled"}, {"end_of_support"}, {"end_of_support"}]


def test_an_endpoint_that_takes_no_connection_is_recognised_after_some_refreshes() -> None:
    with socket.socket() as full, socket.socket() as waiting, exporter_of(aws_answering(RUNNING)) as exporter:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        os.environ["AWS_ENDPOINT_URL_GREENGRASS"] = f"http://127.0.0.1:{full.getsockname()[1]}"
        seen = [reasons(exporter.scrape())[KIND.name] for _ in range(3)]
    assert seen == [{"timeout"}, {"timeout"}, {"end_of_support"}]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_where_another_kind_is_refused_too_the_service_is_not_to_blame(code: str) -> None:
    refused = error_response(code, 400)
    with exporter_of(aws_answering(refused, task=refused)) as exporter:
        for _ in range(5):
            seen = reasons(exporter.scrape())
    assert set(seen) == {KIND.name, "thing_registration_task"}
    assert seen[KIND.name] == seen["thing_registration_task"]
    assert seen[KIND.name] & {"access_denied", "throttled"}


def test_another_failure_of_another_kind_does_not_hide_it() -> None:
    aws = aws_answering(REFUSALS["ForbiddenException"], task=error_response("InternalFailureException", 500))
    with exporter_of(aws) as exporter:
        assert reasons(exporter.scrape())[KIND.name] == {"end_of_support"}


@pytest.mark.parametrize(
    "refused",
    [
        error_response("InternalServerException", 500),
        json_response({}),
        error_response("BadRequestException", 400),
        error_response("x", 404),
    ],
    ids=["500", "an empty answer", "a bad request", "404"],
)
def test_what_is_no_refusal_keeps_its_own_reason(refused: HttpResponse) -> None:
    with exporter_of(aws_answering(refused)) as exporter:
        for _ in range(5):
            seen = reasons(exporter.scrape())
    assert "end_of_support" not in seen[KIND.name]


def test_before_the_end_of_support_a_refusal_is_a_refusal() -> None:
    assert KIND.support_ended == datetime(2026, 10, 7, tzinfo=UTC)
    clock = ManualClock(at=(KIND.support_ended - timedelta(days=1)).timestamp())
    with exporter_of(aws_answering(REFUSALS["ForbiddenException"]), clock=clock) as exporter:
        assert reasons(exporter.scrape())[KIND.name] == {"access_denied"}


def test_a_service_that_was_switched_off_is_asked_once_an_hour_and_believed_when_it_answers() -> None:
    aws = aws_answering(REFUSALS["AccessDeniedException"])
    with exporter_of(aws) as exporter:
        exporter.scrape()
        asked = len([one for one in aws.requests if one != TASK])
        for _ in range(50):
            assert reasons(exporter.scrape(after=60.0)) == {KIND.name: {"end_of_support"}}
        assert len([one for one in aws.requests if one != TASK]) == asked
        aws.responses |= {BULK: RUNNING, LIST: json_response({"BulkDeployments": []})}
        exposed = exporter.scrape(after=HOUR)
        assert reasons(exposed) == {}
        assert 'aws_iot_bulk_operation_status{aws_account_id="111122223333",aws_region="eu-west-1",id="bulk"' in exposed


def test_one_answer_among_refusals_shows_that_the_service_lives() -> None:
    aws = aws_answering(REFUSALS["AccessDeniedException"])
    aws.responses[BULK] = RUNNING
    with exporter_of(aws) as exporter:
        assert reasons(exporter.scrape())[KIND.name] == {"access_denied"}


def test_a_role_that_may_not_be_assumed_says_nothing_about_the_service() -> None:
    config = ALONE.replace("account_id:", "role_arn: arn:aws:iam::111122223333:role/reader\n    account_id:")
    denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    aws = aws_answering(RUNNING)
    aws.responses["/"] = HttpResponse(denied.encode(), 403, {"content-type": "text/xml"})
    with exporter_of(aws, config) as exporter:
        assert reasons(exporter.scrape())[KIND.name] == {"access_denied"}


def test_the_log_says_once_that_the_support_has_ended() -> None:
    with exporter_of(aws_answering(REFUSALS["AccessDeniedException"])) as exporter:
        for _ in range(3):
            exporter.scrape(after=HOUR)
        assert exporter.log.getvalue().count('msg="support by AWS"') == 1


def test_rows_of_a_switched_off_service_grow_stale_although_it_is_asked_once_an_hour() -> None:
    aws = aws_answering(RUNNING)
    with exporter_of(aws) as exporter:
        exporter.scrape()
        aws.responses |= {BULK: REFUSALS["AccessDeniedException"], LIST: REFUSALS["AccessDeniedException"]}
        exposed = exporter.scrape()
        assert reasons(exposed)[KIND.name] == {"end_of_support"}
        assert 'id="bulk"' in exposed
        exposed = exporter.scrape(after=601)
        assert reasons(exposed)[KIND.name] == {"end_of_support"}
        assert 'id="bulk"' not in exposed
