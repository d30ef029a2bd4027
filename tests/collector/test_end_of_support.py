"""A kind whose service AWS has switched off: it is detected because it alone is refused, and is rarely called."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.kinds.greengrass_bulk_deployment import KIND
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import ServedExporter, serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

CONFIG = """
accounts:
  - account_id: "111122223333"
    watch:
      - {kind: thing_registration_task, ids: [task]}
      - {kind: greengrass_bulk_deployment, ids: [bulk], discover: true}
aws: {max_attempts: 1, connect_timeout: 50ms}
"""
ALONE = CONFIG.replace("      - {kind: thing_registration_task, ids: [task]}\n", "")
TASK, LIST = "/thing-registration-tasks/task", "/greengrass/bulk/deployments"
BULK = f"{LIST}/bulk/status"
RUNNING = json_response({"BulkDeploymentStatus": "Running"})
DENIED = error_response("AccessDeniedException", 403)
HOUR = 3600.0


def aws_with(refused: HttpResponse, task: HttpResponse | None = None) -> ScriptedAws:
    """Return an AWS whose Greengrass V1 gives the same response to every request."""
    known = json_response({"status": "InProgress", "successCount": 1})
    return ScriptedAws({TASK: task or known, BULK: refused, LIST: refused})


def reasons(exposed: str) -> set[str]:
    """Return the reasons why the cell of the kind is not up."""
    return {reason for kind, reason in Scrape(exposed).reasons() if kind == KIND.name}


@contextmanager
def exporter_for(aws: ScriptedAws, config: str = CONFIG, clock: ManualClock | None = None) -> Iterator[ServedExporter]:
    """Serve an exporter for a scripted AWS."""
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint, clock) as exporter:
        yield exporter


REFUSALS = {
    "AccessDeniedException": DENIED,
    "AccessDeniedException with 400": error_response("AccessDeniedException", 400),
    "ForbiddenException": error_response("ForbiddenException", 400),
    "a bare 403": HttpResponse(b'{"message": "Forbidden"}', 403, {"content-type": "application/json"}),
    "ValidationException": error_response("ValidationException", 400),
    "MissingAuthenticationTokenException": error_response("MissingAuthenticationTokenException", 403),
}


@pytest.mark.parametrize("config", [CONFIG, ALONE], ids=["beside another kind", "alone"])
@pytest.mark.parametrize("refused", REFUSALS.values(), ids=REFUSALS)
def test_a_kind_that_alone_is_refused_after_its_end_of_support_is_detected_at_once(
    refused: HttpResponse, config: str
) -> None:
    with exporter_for(aws_with(refused), config) as exporter:
        exposed = exporter.scrape()
    assert Scrape(exposed).reasons() == {(KIND.name, "end_of_support")}
    assert ("aws_iot_thing_registration_task_succeeded_things{" in exposed) == (config == CONFIG)


def test_continuous_throttling_is_detected_after_some_refreshes() -> None:
    with exporter_for(aws_with(error_response("ThrottlingException", 400))) as exporter:
        seen = [reasons(exporter.scrape()) for _ in range(4)]
    assert seen == [{"throttled"}, {"throttled"}, {"end_of_support"}, {"end_of_support"}]


def test_an_endpoint_that_accepts_no_connection_is_detected_after_some_refreshes() -> None:
    with socket.socket() as full, socket.socket() as waiting, exporter_for(aws_with(RUNNING)) as exporter:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        os.environ["AWS_ENDPOINT_URL_GREENGRASS"] = f"http://127.0.0.1:{full.getsockname()[1]}"
        seen = [reasons(exporter.scrape()) for _ in range(3)]
    assert seen == [{"timeout"}, {"timeout"}, {"end_of_support"}]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_the_end_of_support_is_not_detected_if_another_kind_is_refused_too(code: str) -> None:
    refused = error_response(code, 400)
    with exporter_for(aws_with(refused, task=refused)) as exporter:
        for _ in range(5):
            seen = Scrape(exporter.scrape()).reasons()
    reason = "access_denied" if code == "AccessDeniedException" else "throttled"
    assert seen == {(KIND.name, reason), ("thing_registration_task", reason)}


@pytest.mark.parametrize(
    "refused",
    [
        error_response("InternalServerException", 500),
        json_response({}),
        error_response("BadRequestException", 400),
        error_response("x", 404),
    ],
    ids=["500", "an empty response", "a bad request", "404"],
)
def test_a_failure_that_is_no_refusal_keeps_its_own_reason(refused: HttpResponse) -> None:
    with exporter_for(aws_with(refused)) as exporter:
        for _ in range(5):
            seen = reasons(exporter.scrape())
    assert seen
    assert "end_of_support" not in seen


ROLE = ALONE.replace("account_id:", "role_arn: arn:aws:iam::111122223333:role/reader\n    account_id:")
ROLE_DENIED = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"


@pytest.mark.parametrize(
    ("responses", "config", "days", "reason"),
    [
        ({TASK: error_response("InternalFailureException", 500)}, CONFIG, 0, "end_of_support"),
        ({}, CONFIG, -1, "access_denied"),
        ({BULK: RUNNING}, CONFIG, 0, "access_denied"),
        ({"/": HttpResponse(ROLE_DENIED, 403, {"content-type": "text/xml"})}, ROLE, 0, "access_denied"),
    ],
    ids=[
        "another failure of another kind does not prevent the detection",
        "a refusal before the end of support keeps its reason",
        "one response among refusals shows that the service is in operation",
        "a role that cannot be assumed is no sign of the end of support",
    ],
)
def test_only_refusals_after_the_end_of_support_are_a_sign_of_it(
    responses: dict[str, HttpResponse], config: str, days: int, reason: str
) -> None:
    assert KIND.support_ended == datetime(2026, 10, 7, tzinfo=UTC)
    clock = ManualClock(at=(KIND.support_ended + timedelta(days=days)).timestamp())
    aws = aws_with(DENIED)
    aws.responses |= responses
    with exporter_for(aws, config, clock) as exporter:
        assert reasons(exporter.scrape()) == {reason}


def test_an_ended_service_is_logged_once_and_called_once_an_hour_until_it_responds_again() -> None:
    aws = aws_with(DENIED)
    with exporter_for(aws) as exporter:
        exporter.scrape()
        before = [path for path in aws.requests if path != TASK]
        for _ in range(50):
            assert Scrape(exporter.scrape(after=60.0)).reasons() == {(KIND.name, "end_of_support")}
        assert [path for path in aws.requests if path != TASK] == before
        assert exporter.log.getvalue().count('msg="end of support detected"') == 1
        aws.responses |= {BULK: RUNNING, LIST: json_response({"BulkDeployments": []})}
        exposed = exporter.scrape(after=HOUR)
        assert Scrape(exposed).reasons() == set()
        assert Scrape(exposed).ids(kind=KIND.name) == {"bulk"}


def test_series_of_an_ended_service_become_stale_although_it_is_called_once_an_hour() -> None:
    aws = aws_with(RUNNING)
    with exporter_for(aws) as exporter:
        exporter.scrape()
        aws.responses |= {BULK: DENIED, LIST: DENIED}
        exposed = exporter.scrape()
        assert reasons(exposed) == {"end_of_support"}
        assert 'id="bulk"' in exposed
        exposed = exporter.scrape(after=601)
        assert reasons(exposed) == {"end_of_support"}
        assert 'id="bulk"' not in exposed


def test_the_end_of_support_is_not_detected_before_its_neighbour_had_time_to_fail_the_same_way() -> None:
    released = threading.Event()

    async def refuse(request: Request) -> Response:
        if request.url.path == TASK:
            await asyncio.to_thread(released.wait)
        return JSONResponse({"message": "no"}, 403, {"x-amzn-errortype": "AccessDeniedException"})

    routes = [Route("/{path:path}", refuse)]
    # The first request waits for the refresh, at most for the deadline. The call that hangs must not time out.
    config = CONFIG.replace("connect_timeout: 50ms", "read_timeout: 60s") + "refresh: {deadline: 1s}\n"
    with (
        serve_app(Starlette(routes=routes)) as endpoint,
        serve_exporter(config, endpoint) as exporter,
        ExitStack() as stack,
    ):
        # A failed test must not leave a waiting thread behind.
        stack.callback(released.set)

        def cells_after(number: int) -> Any:
            cells = http_requests.get(f"{exporter.url}/api/v1/cells").json()["cells"]
            return cells if sum(cell["duration"] is not None for cell in cells) == number else None

        early = wait_until(lambda: cells_after(1), "the first refusal")
        released.set()
        both = wait_until(lambda: cells_after(2), "both refusals")
    assert sorted(cell["reasons"] for cell in early) == [[], ["access_denied"]]
    assert [cell["reasons"] for cell in both] == [["access_denied"], ["access_denied"]]
