"""A response never reads as "no operations" while the operations are unknown. All waits are in virtual time."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from starlette.types import Message, Receive, Scope, Send

from tests.support.scripted_endpoint import HttpResponse, error_response, json_response
from tests.support.virtual_exporter import (
    AsgiResponse,
    VirtualExporter,
    VirtualExporters,
    send_request,
    virtual_exporters,
)

ACCOUNT = '{name: %s, account_id: "%s", regions: [eu-west-1], watch: [{kind: %s, discover: true}]}'
FACTORY = ACCOUNT % ("factory", "111122223333", "thing_registration_task")
FIELD = ACCOUNT % ("field", "444455556666", "thing_registration_task")
CONFIG = f"accounts: [{FACTORY}]\n"
TWO_ACCOUNTS = f"accounts: [{FACTORY}, {FIELD}]\n"
DEADLINE = 9.0
MINUTE = 60.0
TASKS = [f"task-{number}" for number in range(8)]
OPERATIONS, CELLS = "/api/v1/operations", "/api/v1/cells"
OPERATION = "/operations/thing_registration_task/task-1"
NO_OPERATION = "No operations found"
UNKNOWN = "A refresh from AWS is in progress. No operation is known yet."


@dataclass
class Aws:
    """A simulated AWS with running tasks. Calls begin only while it does not hang. ``denied`` refuses all of them."""

    hangs: bool = False
    denied: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)
    calls: int = 0

    def respond(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a call."""
        self.calls += 1
        if self.denied:
            return error_response("AccessDeniedException", 403)
        if api == "ListThingRegistrationTasks":
            return json_response({"taskIds": TASKS if "status=InProgress" in str(request.url) else []})
        return json_response({"status": "InProgress", "successCount": 5, "failureCount": 0, "percentageProgress": 5})

    def begin(self, call: Callable[[], None]) -> None:
        """Start a call, unless AWS hangs."""
        if self.hangs:
            self.held.append(call)
        else:
            call()


@pytest.fixture(scope="module")
def aws() -> Aws:
    """The AWS of the module. A test sets its state by ``start``."""
    return Aws()


@pytest.fixture(scope="module")
def exporters(aws: Aws) -> Iterator[VirtualExporters]:
    """Creates exporters that share botocore's models."""
    with virtual_exporters(aws.respond) as exporters:
        yield exporters


@pytest.fixture
def start(aws: Aws, exporters: VirtualExporters) -> Callable[[str], Any]:
    """Run an exporter. Its AWS responds at first."""

    @contextmanager
    def start(config: str) -> Iterator[VirtualExporter]:
        aws.hangs = aws.denied = False
        aws.held.clear()
        with exporters.start(config, aws.begin) as exporter:
            yield exporter
            # Refreshes must end before their loop is closed.
            aws.hangs = False
            exporter.service.stop()
            exporter.loop.pass_time(MINUTE)

    return start


def body(response: AsgiResponse) -> Any:
    """Return the JSON of a response."""
    assert response.status == 200
    return json.loads(response.body)


def seconds_of(exporter: VirtualExporter, path: str, query: str = "", method: str = "GET") -> float:
    """Return the virtual seconds that a response takes."""
    before = exporter.loop.at
    assert exporter.get(path, query, method=method).status == 200
    return exporter.loop.at - before


@pytest.mark.parametrize(
    ("refresh", "every"), [("refresh: {stale_after: 20s}", 22.0), ("", 15 * MINUTE)], ids=["short", "default"]
)
def test_a_rare_request_gets_all_operations_each_time(start: Any, refresh: str, every: float) -> None:
    with start(CONFIG + refresh) as exporter:
        for _ in range(4):
            exporter.loop.pass_time(every)
            response = body(exporter.get(OPERATIONS))
            assert (len(response["operations"]), response["complete"], response["incomplete"]) == (8, True, [])
            exporter.loop.pass_time(every)
            (cell,) = body(exporter.get(CELLS))["cells"]
            assert (cell["up"], cell["complete"], cell["pending"], cell["operations"]) == (True, True, False, 8)
            exporter.loop.pass_time(every)
            page = exporter.get("/").text
            assert all(task in page for task in TASKS)
            exporter.loop.pass_time(every)
            assert len(body(exporter.get(OPERATIONS, "q=task-3&view=active"))["operations"]) == 1


def test_an_unknown_operation_is_unknown_and_not_absent_when_aws_hangs(start: Any, aws: Aws) -> None:
    unknown = {
        "account": "factory",
        "aws_account_id": "111122223333",
        "aws_region": "eu-west-1",
        "kind": "thing_registration_task",
        "reasons": ["pending"],
    }
    with start(CONFIG) as exporter:
        assert body(exporter.get(OPERATIONS))["complete"]
        aws.hangs = True
        exporter.loop.pass_time(15 * MINUTE)
        for query in ("", "q=nothing", "kind=thing_registration_task&account=111122223333"):
            response = body(exporter.get(OPERATIONS, query))
            assert (response["operations"], response["complete"]) == ([], False)
            assert response["incomplete"] == [unknown]
        cells = body(exporter.get(CELLS))
        (cell,) = cells["cells"]
        assert (cells["complete"], cell["complete"], cell["up"], cell["pending"]) == (False, False, False, True)
        page = exporter.get("/").text
        assert UNKNOWN in page
        assert NO_OPERATION not in page
        # Nothing is unknown for a query that selects no cell.
        assert body(exporter.get(OPERATIONS, "kind=iot_job"))["complete"]


@pytest.mark.parametrize("path", ["/", OPERATIONS, CELLS])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_waits_only_if_nothing_is_fresh_and_only_until_the_deadline(
    start: Any, aws: Aws, method: str, path: str
) -> None:
    with start(CONFIG) as exporter:
        aws.hangs = True
        # The same refresh delays no later request: only the first deadline counts from its start.
        assert [round(seconds_of(exporter, path, method=method)) for _ in range(3)] == [DEADLINE, 0, 0]
    with start(CONFIG) as exporter:
        assert exporter.get(path, method=method).status == 200
        aws.hangs = True
        exporter.loop.pass_time(MINUTE)
        assert seconds_of(exporter, path, method=method) == 0
        assert len(body(exporter.get(OPERATIONS))["operations"]) == 8


@pytest.mark.parametrize("path", ["/", OPERATIONS, CELLS, OPERATION])
def test_a_refresh_begins_after_the_response_if_data_is_fresh(start: Any, aws: Aws, path: str) -> None:
    with start(CONFIG) as exporter:
        exporter.get(OPERATIONS)
        exporter.loop.pass_time(MINUTE)
        before, at_response = aws.calls, list[int]()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Message) -> None:
                at_response.append(aws.calls)
                await send(message)

            await exporter.service.app(scope, receive, note)

        assert exporter.loop.run_until_complete(send_request(app, path)).status == 200
        exporter.loop.settle()
        assert set(at_response) == {before}
        assert aws.calls > before


def test_a_request_waits_for_the_accounts_and_kinds_of_its_query(start: Any, aws: Aws) -> None:
    with start(TWO_ACCOUNTS) as exporter:
        aws.hangs = True
        assert seconds_of(exporter, OPERATIONS, "kind=iot_job") == 0
        assert seconds_of(exporter, OPERATIONS, "account=nobody") == 0
        assert round(seconds_of(exporter, OPERATIONS, "account=field")) == DEADLINE


def test_a_cell_that_hangs_delays_no_request_for_all_cells_but_makes_it_incomplete(start: Any, aws: Aws) -> None:
    with start(CONFIG) as exporter:
        assert body(exporter.get(OPERATIONS))["complete"]
        aws.hangs = True
        exporter.texts.append(TWO_ACCOUNTS)
        assert exporter.get("/-/reload", method="POST").status == 200
        assert seconds_of(exporter, OPERATIONS) == 0
        response = body(exporter.get(OPERATIONS))
    assert (len(response["operations"]), response["complete"]) == (8, False)
    assert [(cell["account"], cell["reasons"]) for cell in response["incomplete"]] == [("field", ["pending"])]


def test_of_many_incomplete_cells_some_of_each_account_are_listed_and_all_are_counted(start: Any, aws: Aws) -> None:
    regions = "[eu-west-1, us-east-1, us-west-2]"
    entry = ACCOUNT.replace("[eu-west-1]", regions) % ("a%d", "1111222233%02d", "thing_registration_task")
    many = ", ".join(entry % (number, number) for number in range(60))
    with start(f"accounts: [{many}]") as exporter:
        aws.denied = True
        response = body(exporter.get(OPERATIONS))
        assert (response["complete"], len(response["incomplete"]), response["incomplete_omitted"]) == (False, 100, 80)
        assert len({cell["account"] for cell in response["incomplete"]}) == 60
        assert response["incomplete_reasons"] == [{"reason": "access_denied", "cells": 180, "accounts": 60}]
        few = body(exporter.get(OPERATIONS, "account=a7"))
        assert [cell["aws_region"] for cell in few["incomplete"]] == ["eu-west-1", "us-east-1", "us-west-2"]
        assert few["incomplete_omitted"] == 0
        aws.denied, aws.hangs = False, True
        exporter.loop.pass_time(15 * MINUTE)
        reasons = body(exporter.get(OPERATIONS, "account=a7"))["incomplete_reasons"]
        assert {"reason": "pending", "cells": 3, "accounts": 1} in reasons


def test_a_refused_account_is_incomplete_with_its_reason_and_delays_no_request(start: Any, aws: Aws) -> None:
    with start(CONFIG) as exporter:
        aws.denied = True
        response = body(exporter.get(OPERATIONS))
        assert [cell["reasons"] for cell in response["incomplete"]] == [["access_denied"]]
        assert (response["operations"], response["complete"]) == ([], False)
        exporter.loop.pass_time(MINUTE)
        aws.hangs = True
        assert seconds_of(exporter, OPERATIONS) == 0


def test_operations_that_are_not_read_yet_are_pending(start: Any, aws: Aws) -> None:
    with start(CONFIG) as exporter:
        aws.hangs = True
        exporter.get(OPERATIONS)
        # AWS lists the tasks, one status after the other, and describes none of them: those calls begin together.
        while len(aws.held) == 1:
            aws.held.pop()()
            exporter.loop.settle()
        response = body(exporter.get(OPERATIONS))
        page = exporter.get("/").text
    assert (response["operations"], response["complete"]) == ([], False)
    assert UNKNOWN in page
