"""Within one cell, a failure of a list, of an id or of a response does not affect the rest."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.kinds.kind import Kind
from exporter.kinds.thing_registration_task import KIND
from tests.support.exporter_server import serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

TASKS = KIND.name
TASK = {"status": "InProgress", "successCount": 5}
BOTH = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: thing_registration_task, ids: [good], discover: true}]
"""
GOOD, LIST = "/thing-registration-tasks/good", "/thing-registration-tasks"
COUNT = "aws_iot_thing_registration_task_succeeded_things"
STATUS = "aws_iot_bulk_operation_status"
OMITTED = "aws_iot_bulk_exporter_operations_omitted"


async def described(request: Request) -> Response:
    """Return the task."""
    return JSONResponse(TASK)


def test_a_refused_list_does_not_affect_configured_ids_and_is_not_read_for_every_status() -> None:
    aws = ScriptedAws({GOOD: json_response(TASK), LIST: error_response("AccessDeniedException", 403)})
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert len(Scrape(exposed).rows(COUNT)) == 1
            assert Scrape(exposed).reasons() == {(TASKS, "access_denied")}
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

    routes = [Route(LIST, listed), Route(LIST + "/{id}", described)]
    with serve_app(Starlette(routes=routes)) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        found = wait_until(lambda: Scrape(exporter.scrape(after=0.0, within="1")).rows(COUNT) or None, "the row")
        assert len(found) == 1


def test_a_kind_that_hangs_takes_no_thread_from_another_kind_of_its_scope() -> None:
    async def hang(request: Request) -> Response:
        await asyncio.sleep(3600)
        return JSONResponse({})

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
        found = wait_until(lambda: Scrape(exporter.scrape(after=0.0, within="1")).rows(COUNT) or None, "the row")
        assert len(found) == 1


def test_wanted_statuses_are_found_although_the_list_does_not_contain_them() -> None:
    before, after = "thing_registration_task, ids: [good], discover: true", "greengrass_bulk_deployment, discover: {}"
    config = BOTH.replace(before, after.replace("{}", "{statuses: [Failed]}"))
    scenario = """
accounts: ["111122223333"]
operations:
  - {kind: greengrass_bulk_deployment, id: b, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: Running}, {at: 100s, status: Failed, done: 1.0, failed: 0.1}]}
"""
    with serve_simulation(config, scenario) as simulation:
        assert Scrape(simulation.exporter.scrape()).rows(STATUS) == []
        assert len(Scrape(simulation.exporter.scrape()).rows(STATUS)) == 7
        assert simulation.requests_of(simulation.exporter.scrape) == ["/greengrass/bulk/deployments"]


def test_a_final_configured_id_causes_no_list() -> None:
    config = BOTH.replace("discover: true", "discover: {statuses: [InProgress]}")
    aws = ScriptedAws({GOOD: json_response({"status": "Completed"}), LIST: json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        for _ in range(3):
            exporter.scrape()
    assert [target for target in aws.requests if "status=Completed" in target] == []


def test_a_configured_id_that_was_gone_is_requested_again_when_a_list_contains_it() -> None:
    aws = ScriptedAws({LIST: json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        assert Scrape(exporter.scrape()).reasons() == {(TASKS, "not_found")}
        aws.responses |= {
            GOOD: json_response(TASK),
            LIST + "?maxResults=250&status=InProgress": json_response({"taskIds": ["good"]}),
        }
        exposed = exporter.scrape()
        assert len(Scrape(exposed).rows(COUNT)) == 1
        assert Scrape(exposed).reasons() == set()


def test_a_list_that_never_ends_is_suspended_for_five_minutes_and_still_reported() -> None:
    endless = _Endless({GOOD: json_response(TASK)})
    with serve_app(endless.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert len(Scrape(exposed).rows(COUNT)) == 1
            assert Scrape(exposed).reasons() == {(TASKS, "malformed")}
        assert sum("status=InProgress" in target for target in endless.requests) == 1000
        exporter.clock.advance(300)
        endless.has_end = True
        assert Scrape(exporter.scrape()).reasons() == set()


def test_listed_operations_without_a_status_do_not_displace_those_that_were_read() -> None:
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
            shown = Scrape(exposed).ids()
            assert len(shown) == 2
            assert "running" in shown
            assert Scrape(exposed).value(OMITTED) == 5


def test_omitted_operations_are_not_counted_after_they_leave_the_list() -> None:
    ids = ["a", "b", "c", "d", "e"]
    described = {f"{LIST}/{id}": json_response(TASK) for id in ids}
    running = LIST + "?maxResults=250&status=InProgress"
    aws = ScriptedAws({LIST: json_response({"taskIds": []}), running: json_response({"taskIds": ids}), **described})
    config = BOTH.replace("ids: [good], discover: true", "discover: {max_operations: 2}")
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert Scrape(exporter.scrape()).value(OMITTED) == 3
        aws.responses[running] = json_response({"taskIds": ["a", "b"]})
        exporter.scrape()
        assert Scrape(exporter.scrape()).value(OMITTED) == 0


def test_a_404_that_is_not_from_aws_removes_no_operation() -> None:
    aws = ScriptedAws({GOOD: json_response(TASK), LIST: json_response({"taskIds": []})})
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = HttpResponse(b"404 page not found", 404, {"content-type": "text/plain"})
        exposed = exporter.scrape()
        assert len(Scrape(exposed).rows(COUNT)) == 1
        assert Scrape(exposed).reasons() == {(TASKS, "other")}
        aws.responses[GOOD] = json_response(TASK)
        assert Scrape(exporter.scrape()).reasons() == set()


def broken(*_: Any) -> Any:
    """Raise an exception that is not expected."""
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "kind", [replace(KIND, fetch=broken), replace(KIND, is_final=broken)], ids=["fetch", "is_final"]
)
def test_a_defect_of_a_kind_is_a_reported_failure_of_its_cell(kind: Kind[Any]) -> None:
    aws = ScriptedAws({GOOD: json_response(TASK)})
    config = BOTH.replace(", discover: true", "")
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint, kinds=[kind]) as exporter:
        scrape = Scrape(exporter.scrape())
    assert scrape.up() == {TASKS: 0.0}
    assert scrape.reasons() == {(TASKS, "other")}
    assert exporter.log.getvalue().count('detail="unexpected ZeroDivisionError"') == 1


class _Endless(ScriptedAws):
    """An AWS whose list of running tasks has another page after every page, until ``has_end`` is set."""

    has_end = False

    def find(self, target: str, path: str) -> HttpResponse:
        if path != LIST:
            return super().find(target, path)
        more = {} if self.has_end or "status=InProgress" not in target else {"nextToken": str(len(self.requests))}
        return json_response({"taskIds": [], **more})
