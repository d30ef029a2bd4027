"""Within one cell too a failure costs no more than it must: lists, ids and other kinds leave each other alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.collector.cell_refresher import CellRefresher
from exporter.collector.cells import Cell
from exporter.collector.operation_reader import ScopeApi
from exporter.config.loader import parse_config
from exporter.config.sections import Refresh
from exporter.core.errors import ApiError, Reason
from exporter.core.model import Scope
from exporter.kinds import thing_registration_task
from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_exporter, serve_simulation
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

TASK = {"status": "InProgress", "successCount": 5}
BOTH = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: thing_registration_task, ids: [good], discover: true}]
"""
GOOD, LIST = "/thing-registration-tasks/good", "/thing-registration-tasks"
COUNT = "aws_iot_thing_registration_task_succeeded_things{"


def rows(exposed: str, name: str) -> list[str]:
    """The rows of one family."""
    return [row for row in exposed.splitlines() if row.startswith(name)]


def test_a_list_that_is_refused_leaves_configured_ids_alone_and_is_not_tried_for_every_status() -> None:
    aws = ScriptedAws({GOOD: json_response(TASK), LIST: error_response("AccessDeniedException", 403)})
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert len(rows(exposed, COUNT)) == 1
            assert 'reason="access_denied"} 1.0' in exposed
    assert aws.requests.count(GOOD) == 3
    assert len(aws.requests) == 6
    assert exporter.log.getvalue().count("access_denied") == 1


def test_an_active_operation_does_not_wait_for_the_pages_of_a_long_list() -> None:
    async def listed(request: Request) -> Response:
        if request.query_params.get("status") != "Completed":
            return JSONResponse({"taskIds": []})
        number = int(request.query_params.get("nextToken", "0")) + 1
        await asyncio.sleep(0.05)
        return JSONResponse({"taskIds": [f"t{number}"], "nextToken": str(number)})

    async def described(request: Request) -> Response:
        return JSONResponse(TASK)

    routes = [Route(LIST, listed), Route(LIST + "/{id}", described)]
    with serve_app(Starlette(routes=routes)) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        found = wait_until(lambda: rows(exporter.scrape(after=0.0, within="1"), COUNT) or None, "the row")
        assert len(found) == 1


def test_a_kind_that_hangs_takes_no_thread_from_another_kind_of_its_scope() -> None:
    async def hang(request: Request) -> Response:
        await asyncio.sleep(3600)
        return JSONResponse({})

    async def described(request: Request) -> Response:
        return JSONResponse(TASK)

    config = """
aws: {read_timeout: 1h}
accounts:
  - account_id: "111122223333"
    watch:
      - {kind: greengrass_bulk_deployment, ids: [a, b, c, d, e, f, g, h, i, j]}
      - {kind: thing_registration_task, ids: [good]}
"""
    routes = [Route("/greengrass/{path:path}", hang), Route(GOOD, described)]
    with serve_app(Starlette(routes=routes)) as endpoint, serve_exporter(config, endpoint) as exporter:
        found = wait_until(lambda: rows(exporter.scrape(after=0.0, within="1"), COUNT) or None, "the row")
        assert len(found) == 1


def test_wanted_statuses_are_found_where_the_list_cannot_tell_them() -> None:
    before, after = "thing_registration_task, ids: [good], discover: true", "greengrass_bulk_deployment, discover: {}"
    config = BOTH.replace(before, after.replace("{}", "{statuses: [Failed]}"))
    scenario = """
accounts: ["111122223333"]
operations:
  - {kind: greengrass_bulk_deployment, id: b, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: Running}, {at: 100s, status: Failed, done: 1.0, failed: 0.1}]}
"""
    with serve_simulation(config, scenario) as simulation:
        status = "aws_iot_bulk_operation_status{"
        assert rows(simulation.exporter.scrape(), status) == []
        assert len(rows(simulation.exporter.scrape(), status)) == 7
        assert simulation.requests_of(simulation.exporter.scrape) == ["/greengrass/bulk/deployments"]


def test_a_finished_id_that_was_configured_causes_no_list() -> None:
    config = BOTH.replace("discover: true", "discover: {statuses: [InProgress]}")
    aws = ScriptedAws({GOOD: json_response({"status": "Completed"}), LIST: json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        for _ in range(3):
            exporter.scrape()
    assert [target for target in aws.requests if "status=Completed" in target] == []


def test_a_configured_id_that_was_gone_is_asked_for_again_when_a_list_has_it() -> None:
    aws = ScriptedAws({LIST: json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        assert 'reason="not_found"} 1.0' in exporter.scrape()
        aws.responses |= {
            GOOD: json_response(TASK),
            LIST + "?maxResults=250&status=InProgress": json_response({"taskIds": ["good"]}),
        }
        exposed = exporter.scrape()
        assert len(rows(exposed, COUNT)) == 1
        assert "cell_error{" not in exposed


def test_a_list_that_never_ends_is_given_up_for_five_minutes_and_still_told() -> None:
    endless = _Endless({GOOD: json_response(TASK)})
    with serve_app(endless.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert len(rows(exposed, COUNT)) == 1
            assert 'reason="malformed"} 1.0' in exposed
        assert sum("status=InProgress" in target for target in endless.requests) == 1000
        exporter.clock.advance(300)
        endless.over = True
        assert 'reason="malformed"' not in exporter.scrape()


def test_operations_of_which_the_list_tells_no_status_do_not_displace_those_that_were_read() -> None:
    config = BOTH.replace(
        "thing_registration_task, ids: [good], discover: true", "greengrass_bulk_deployment, DISCOVER"
    )
    scenario = """
accounts: ["111122223333"]
operations:
  - {kind: greengrass_bulk_deployment, id: running, region: eu-west-1, created: -2h,
     timeline: [{at: 0s, status: Running}]}
  - {kind: greengrass_bulk_deployment, id: done, count: 6, region: eu-west-1, created: -1h,
     timeline: [{at: 0s, status: Completed}]}
"""
    with serve_simulation(config.replace("DISCOVER", "discover: {max_operations: 2}"), scenario) as simulation:
        for _ in range(2):
            exposed = simulation.exporter.scrape()
            shown = {row.split(',id="')[1].split('"')[0] for row in rows(exposed, "aws_iot_bulk_operation_info{")}
            assert len(shown) == 2
            assert "running" in shown
            assert rows(exposed, "aws_iot_bulk_exporter_operations_omitted{")[0].endswith(" 5.0")


def test_left_out_operations_that_aws_lists_no_more_are_counted_no_more() -> None:
    ids = ["a", "b", "c", "d", "e"]
    described = {f"{LIST}/{id}": json_response(TASK) for id in ids}
    running = LIST + "?maxResults=250&status=InProgress"
    aws = ScriptedAws({LIST: json_response({"taskIds": []}), running: json_response({"taskIds": ids}), **described})
    config = BOTH.replace("ids: [good], discover: true", "discover: {max_operations: 2}")
    omitted = "aws_iot_bulk_exporter_operations_omitted{"
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert rows(exporter.scrape(), omitted)[0].endswith(" 3.0")
        aws.responses[running] = json_response({"taskIds": ["a", "b"]})
        exporter.scrape()
        assert rows(exporter.scrape(), omitted)[0].endswith(" 0.0")


def test_a_404_that_is_not_of_aws_makes_no_operation_gone() -> None:
    aws = ScriptedAws({GOOD: json_response(TASK), LIST: json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = HttpResponse(b"404 page not found", 404, {"content-type": "text/plain"})
        exposed = exporter.scrape()
        assert len(rows(exposed, COUNT)) == 1
        assert 'reason="other"} 1.0' in exposed
        aws.responses[GOOD] = json_response(TASK)
        assert "cell_error{" not in exporter.scrape()


def broken(*_: Any) -> Any:
    """A defect."""
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "kind",
    [replace(thing_registration_task.KIND, fetch=broken), replace(thing_registration_task.KIND, final=broken)],
    ids=["fetch", "final"],
)
def test_a_defect_of_a_kind_is_a_failure_of_its_cell_and_is_told(kind: Kind[Any]) -> None:
    config = parse_config(BOTH, KINDS)
    account = config.accounts[0]
    told: list[ApiError] = []
    cell = Cell(account, "eu-west-1", kind, account.watch[0].model_copy(update={"discover": None}))
    refresher = CellRefresher(cell, Refresh(), ManualClock().clock(), lambda error, what: told.append(error))
    asyncio.run(refresher.refresh(_connect))
    snapshot = refresher.snapshot()
    assert not snapshot.up
    assert snapshot.reasons == frozenset({Reason.OTHER})
    assert [error.detail for error in told] == ["unexpected ZeroDivisionError"]


async def _connect(cell: Cell) -> ScopeApi:
    return _Answering()


class _Answering:
    """A scope in which every call is answered by the same task."""

    @property
    def scope(self) -> Scope:
        return Scope("default", "111122223333", "eu-west-1")

    def with_priority(self, priority: tuple[int, float]) -> _Answering:
        return self

    async def call(self, call: ApiCall, **parameters: Any) -> dict[str, Any]:
        return TASK

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"taskIds": []}


class _Endless(ScriptedAws):
    """An AWS whose list of running tasks names another page on every page, until it is over."""

    over = False

    def find(self, target: str, path: str) -> HttpResponse:
        if path != LIST:
            return super().find(target, path)
        more = {} if self.over or "status=InProgress" not in target else {"nextToken": str(len(self.requests))}
        return json_response({"taskIds": [], **more})
