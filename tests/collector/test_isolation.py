"""A failure affects only its cell or its operation: the exporter serves all other series and reports the reason."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporter.kinds.kind import Kind
from exporter.kinds.thing_registration_task import KIND
from tests.support import http_requests
from tests.support.exporter_server import aws_environment, serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

TASKS, BULKS = KIND.name, "greengrass_bulk_deployment"
WATCH = 'accounts: [{{account_id: "111122223333", watch: [{}]}}]'
CONFIG = WATCH.format(
    "{kind: thing_registration_task, ids: [good, other]}, {kind: greengrass_bulk_deployment, ids: [bulk]}"
)
NAMED_AND_LISTED = WATCH.format("{kind: thing_registration_task, ids: [good], discover: true}")
TASK = {"status": "InProgress", "successCount": 5}
BULK = {"BulkDeploymentStatus": "Running", "BulkDeploymentMetrics": {"RecordsProcessed": 3}}
LIST = "/thing-registration-tasks"
GOOD, OTHER = f"{LIST}/good", f"{LIST}/other"
RUNNING_LIST = f"{LIST}?maxResults=250&status=InProgress"
EMPTY_LIST = json_response({"taskIds": []})
BULK_STATUS = "/greengrass/bulk/deployments/bulk/status"
SUCCEEDED = "aws_iot_thing_registration_task_succeeded_things"
OMITTED = "aws_iot_bulk_exporter_operations_omitted"
ACTIVE_OMITTED = "aws_iot_bulk_exporter_active_operations_omitted"
LAST_READ = "aws_iot_bulk_operation_last_read_timestamp_seconds"
UNKNOWN_IDS = "aws_iot_bulk_exporter_unknown_ids"
LAST_SUCCESS = "aws_iot_bulk_exporter_last_success_timestamp_seconds"


def healthy_aws() -> ScriptedAws:
    """Return an AWS that has every operation of the configuration."""
    return ScriptedAws({GOOD: json_response(TASK), OTHER: json_response(TASK), BULK_STATUS: json_response(BULK)})


def running_operations(kind: str, ended: str, active: str, ending: str) -> str:
    """Return a scenario with an ended operation and three active ones, of which ``ending`` ends in three minutes."""
    ages = {"done": 1, "new": 60, "older": 120, "oldest": 180}
    lines = ['accounts: ["111122223333"]', "operations:"]
    for id, age in ages.items():
        end = {"done": age / 2, ending: age + 3}.get(id, 10_000)
        timeline = f"[{{at: 0s, status: {active}}}, {{at: {60 * end:.0f}s, status: {ended}, done: 1.0}}]"
        lines.append(f"  - {{kind: {kind}, id: {id}, region: eu-west-1, created: -{age}m, timeline: {timeline}}}")
    return "\n".join(lines)


def ids_with_count(exposed: str) -> set[str]:
    """Return the ids of the registration tasks that have a count."""
    return set(Scrape(exposed).by("id", SUCCEEDED))


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
        assert Scrape(exposed).up()[TASKS] == 0.0
        assert Scrape(exposed).reasons() == {(TASKS, "malformed")}
        aws.responses[GOOD] = json_response(TASK)
        assert Scrape(exporter.scrape()).up()[TASKS] == 1.0


def test_a_malformed_response_creates_no_series() -> None:
    aws = healthy_aws()
    aws.responses[GOOD] = json_response({})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exposed = exporter.scrape()
    assert ids_with_count(exposed) == {"other"}
    assert 'id="good"' not in exposed


def test_an_id_that_aws_does_not_know_is_counted_and_its_cell_is_up() -> None:
    aws = healthy_aws()
    del aws.responses[GOOD]
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert ids_with_count(exposed) == {"other"}
            assert Scrape(exposed).by("kind", UNKNOWN_IDS) == {TASKS: 1.0, BULKS: 0.0}
            assert Scrape(exposed).up() == {TASKS: 1.0, BULKS: 1.0}
            assert Scrape(exposed).reasons() == set()
            assert Scrape(exposed).by("kind", LAST_SUCCESS)[TASKS] == exporter.clock.at
    (line,) = (line for line in exporter.log.getvalue().splitlines() if "AWS does not know" in line)
    assert "level=info" in line
    assert f"kind={TASKS}" in line
    assert "id=good" in line


def test_an_id_that_aws_does_not_know_is_requested_again_after_five_minutes() -> None:
    aws = healthy_aws()
    del aws.responses[GOOD]
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        exporter.scrape(after=270)
        assert aws.requests.count(GOOD) == 1
        exporter.scrape(after=30)
        assert aws.requests.count(GOOD) == 2
        assert exporter.log.getvalue().count("AWS does not know") == 1
        aws.responses[GOOD] = json_response(TASK)
        exposed = exporter.scrape(after=300)
    assert ids_with_count(exposed) == {"good", "other"}
    assert Scrape(exposed).by("kind", UNKNOWN_IDS) == {TASKS: 0.0, BULKS: 0.0}


def test_many_unknown_ids_are_requested_again_a_few_in_each_refresh() -> None:
    ids = [f"gone-{number:02}" for number in range(20)]
    config = WATCH.format(f"{{kind: thing_registration_task, ids: [good, {', '.join(ids)}]}}")
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert Scrape(exporter.scrape()).value(UNKNOWN_IDS) == 20
        exporter.clock.advance(300)
        again = []
        for _ in range(4):
            aws.requests.clear()
            exporter.scrape()
            assert aws.requests[0] == GOOD
            again.append([target.rpartition("/")[2] for target in aws.requests[1:]])
    assert list(map(len, again)) == [8, 8, 4, 0]
    assert sorted(id for batch in again for id in batch) == ids


def test_an_operation_that_vanishes_while_it_is_active_becomes_an_unknown_id() -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert Scrape(exporter.scrape()).by("kind", UNKNOWN_IDS)[TASKS] == 0
        del aws.responses[GOOD]
        exposed = exporter.scrape()
    assert ids_with_count(exposed) == {"other"}
    assert Scrape(exposed).by("kind", UNKNOWN_IDS)[TASKS] == 1
    assert Scrape(exposed).up()[TASKS] == 1
    assert "id=good" in exporter.log.getvalue()


def test_the_page_and_the_json_api_name_the_ids_that_aws_does_not_know() -> None:
    ids = [f"gone-{number:02}" for number in range(12)]
    config = WATCH.format(f"{{kind: thing_registration_task, ids: [good, {', '.join(ids)}]}}")
    with serve_app(healthy_aws().app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        exporter.scrape()
        (cell,) = http_requests.get(f"{exporter.url}/api/v1/cells").json()["cells"]
        page = http_requests.get(f"{exporter.url}/").text
    assert (cell["up"], cell["reasons"], cell["unknown_ids"]) == (True, [], ids)
    assert f"AWS does not know {', '.join(ids[:10])} and 2 more" in page
    assert "gone-10" not in page


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
        assert Scrape(exposed).reasons() == {(TASKS, reason)}


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
        headers = {"retry-after": "3600", "x-amz-retry-after": "3600000"}
        aws.responses[GOOD] = aws.responses[OTHER] = HttpResponse(b'{"message": "slow down"}', 429, headers)
        exposed = exporter.scrape()
        assert ids_with_count(exposed) == {"good", "other"}
        assert Scrape(exposed).reasons() == {(TASKS, "throttled")}
        assert len(aws.requests) - before == 2 * 2 + 1


def test_a_final_operation_keeps_its_series_while_another_id_is_unknown_and_nothing_is_called() -> None:
    aws = ScriptedAws({GOOD: json_response({**TASK, "status": "Completed"}), BULK_STATUS: json_response(BULK)})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape(after=700)
            assert ids_with_count(exposed) == {"good"}
            assert Scrape(exposed).reasons() == set()
            assert Scrape(exposed).by("kind", UNKNOWN_IDS)[TASKS] == 1


def test_a_refused_list_does_not_affect_configured_ids_and_is_not_read_for_every_status() -> None:
    aws = ScriptedAws({GOOD: json_response(TASK), LIST: error_response("AccessDeniedException", 403)})
    with serve_app(aws.app()) as endpoint, serve_exporter(NAMED_AND_LISTED, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert ids_with_count(exposed) == {"good"}
            assert Scrape(exposed).reasons() == {(TASKS, "access_denied")}
    assert aws.requests.count(GOOD) == 3
    assert len(aws.requests) == 6
    assert exporter.log.getvalue().count("access_denied") == 1


async def describe(request: Request) -> Response:
    """Return the task."""
    return JSONResponse(TASK)


async def list_slowly(request: Request) -> Response:
    """Return a page of a list that does not end for a long time."""
    if request.query_params.get("status") != "Completed":
        return JSONResponse({"taskIds": []})
    number = int(request.query_params.get("nextToken", "0")) + 1
    await asyncio.sleep(0.05)
    return JSONResponse({"taskIds": [f"t{number}"], "nextToken": str(number)})


async def hang(request: Request) -> Response:
    """Respond after an hour."""
    await asyncio.sleep(3600)
    return JSONResponse({})


TEN_BULKS = "{kind: greengrass_bulk_deployment, ids: [a, b, c, d, e, f, g, h, i, j]}"
TWO_KINDS = WATCH.format(f"{TEN_BULKS}, {{kind: thing_registration_task, ids: [good]}}") + "\naws: {read_timeout: 1h}"


@pytest.mark.parametrize(
    ("config", "path", "slow_response"),
    [(NAMED_AND_LISTED, LIST, list_slowly), (TWO_KINDS, "/greengrass/{path:path}", hang)],
    ids=["the pages of a long list", "another kind of its scope that hangs and takes no thread from it"],
)
def test_an_active_operation_does_not_wait_for(config: str, path: str, slow_response: Any) -> None:
    routes = [Route(path, slow_response), Route(LIST + "/{id}", describe)]
    with serve_app(Starlette(routes=routes)) as endpoint, serve_exporter(config, endpoint) as exporter:
        found = wait_until(lambda: Scrape(exporter.scrape(after=0.0, within="1")).rows(SUCCEEDED) or None, "the row")
        assert len(found) == 1


def test_wanted_statuses_are_found_although_the_list_does_not_contain_them() -> None:
    config = WATCH.format("{kind: greengrass_bulk_deployment, discover: {statuses: [Failed]}}")
    scenario = """
accounts: ["111122223333"]
operations:
  - {kind: greengrass_bulk_deployment, id: b, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: Running}, {at: 100s, status: Failed, done: 1.0, failed: 0.1}]}
"""
    with serve_simulation(config, scenario) as simulation:
        assert Scrape(simulation.exporter.scrape()).ids() == set()
        assert Scrape(simulation.exporter.scrape()).status("b") == "Failed"
        assert simulation.requests_of(simulation.exporter.scrape) == ["/greengrass/bulk/deployments"]


def test_a_final_configured_id_causes_no_list() -> None:
    config = NAMED_AND_LISTED.replace("discover: true", "discover: {statuses: [InProgress]}")
    aws = ScriptedAws({GOOD: json_response({"status": "Completed"}), LIST: EMPTY_LIST})
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        for _ in range(3):
            exporter.scrape()
    assert [target for target in aws.requests if "status=Completed" in target] == []


def test_a_configured_id_that_was_gone_is_requested_again_when_a_list_contains_it() -> None:
    aws = ScriptedAws({LIST: EMPTY_LIST})
    with serve_app(aws.app()) as endpoint, serve_exporter(NAMED_AND_LISTED, endpoint) as exporter:
        assert Scrape(exporter.scrape()).value(UNKNOWN_IDS) == 1
        aws.responses |= {GOOD: json_response(TASK), RUNNING_LIST: json_response({"taskIds": ["good"]})}
        exposed = exporter.scrape()
        assert ids_with_count(exposed) == {"good"}
        assert Scrape(exposed).value(UNKNOWN_IDS) == 0


class EndlessAws(ScriptedAws):
    """An AWS whose list of running tasks has another page after every page, until ``has_end`` is set."""

    has_end = False

    def find(self, target: str, path: str) -> HttpResponse:
        """Return the response for a path."""
        if path != LIST:
            return super().find(target, path)
        more = {} if self.has_end or "status=InProgress" not in target else {"nextToken": str(len(self.requests))}
        return json_response({"taskIds": [], **more})


def test_a_list_that_never_ends_is_suspended_for_five_minutes_and_still_reported() -> None:
    endless = EndlessAws({GOOD: json_response(TASK)})
    with serve_app(endless.app()) as endpoint, serve_exporter(NAMED_AND_LISTED, endpoint) as exporter:
        for _ in range(3):
            exposed = exporter.scrape()
            assert ids_with_count(exposed) == {"good"}
            assert Scrape(exposed).reasons() == {(TASKS, "malformed")}
        assert sum("status=InProgress" in target for target in endless.requests) == 1000
        exporter.clock.advance(300)
        endless.has_end = True
        assert Scrape(exporter.scrape()).reasons() == set()


def test_listed_operations_without_a_status_do_not_displace_those_that_were_read() -> None:
    config = WATCH.format("{kind: greengrass_bulk_deployment, discover: {max_operations: 2}}")
    scenario = """
accounts: ["111122223333"]
operations:
  - {kind: greengrass_bulk_deployment, id: running, region: eu-west-1, created: -2h,
     timeline: [{at: 0s, status: Running}]}
  - {kind: greengrass_bulk_deployment, id: done, count: 6, region: eu-west-1, created: -1h,
     timeline: [{at: 0s, status: Completed}]}
"""
    with serve_simulation(config, scenario) as simulation:
        for _ in range(2):
            exposed = simulation.exporter.scrape()
            shown = Scrape(exposed).ids()
            assert len(shown) == 2
            assert "running" in shown
            assert Scrape(exposed).value(OMITTED) == 5


def test_omitted_operations_are_not_counted_after_they_leave_the_list() -> None:
    ids = ["a", "b", "c", "d", "e"]
    tasks = {f"{LIST}/{id}": json_response(TASK) for id in ids}
    aws = ScriptedAws({LIST: EMPTY_LIST, RUNNING_LIST: json_response({"taskIds": ids}), **tasks})
    config = WATCH.format("{kind: thing_registration_task, discover: {max_operations: 2}}")
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert Scrape(exporter.scrape()).value(OMITTED) == 3
        aws.responses[RUNNING_LIST] = json_response({"taskIds": ["a", "b"]})
        exporter.scrape()
        assert Scrape(exporter.scrape()).value(OMITTED) == 0


def test_active_operations_beyond_the_limit_are_counted_logged_and_in_the_json_api() -> None:
    config = WATCH.format("{kind: iot_job, discover: {max_operations: 2}}")
    scenario = running_operations("iot_job", "COMPLETED", "IN_PROGRESS", "new")
    with serve_simulation(config, scenario) as simulation:
        exporter = simulation.exporter
        for _ in range(2):
            scrape = Scrape(exporter.scrape())
            assert scrape.ids() == {"new", "older"}
            assert (scrape.value(OMITTED), scrape.value(ACTIVE_OMITTED)) == (2, 1)
        (cell,) = http_requests.get(f"{exporter.url}/api/v1/cells").json()["cells"]
        listed = http_requests.get(f"{exporter.url}/api/v1/operations").json()
        page = http_requests.get(f"{exporter.url}/").text
    assert (cell["omitted"], cell["active_omitted"], cell["complete"]) == (2, 1, False)
    assert (listed["complete"], [line["reasons"] for line in listed["incomplete"]]) == (False, [["omitted"]])
    assert "+2 omitted, 1 of them active" in page
    (line,) = (line for line in exporter.log.getvalue().splitlines() if "active operations are not watched" in line)
    assert "level=warn " in line
    assert "kind=iot_job" in line
    assert "active_omitted=1" in line


def test_an_active_operation_takes_the_place_of_one_that_ended_in_the_same_refresh() -> None:
    config = WATCH.format("{kind: greengrass_deployment, discover: {max_operations: 2}}")
    scenario = running_operations("greengrass_deployment", "COMPLETED", "ACTIVE", "new")
    with serve_simulation(config, scenario) as simulation:
        exporter = simulation.exporter
        exporter.scrape()
        scrape = Scrape(exporter.scrape(after=240))
        assert scrape.ids() == {"older", "oldest"}
        assert scrape.by("id", LAST_READ) == dict.fromkeys(("older", "oldest"), exporter.clock.at)
        assert scrape.value(ACTIVE_OMITTED) == 0
        exporter.reload(config.replace("max_operations: 2", "max_operations: 1"))
        assert Scrape(exporter.scrape()).value(ACTIVE_OMITTED) == 1
    assert exporter.log.getvalue().count("active operations are not watched") == 2


@pytest.mark.parametrize(
    ("kind", "ended", "active", "seconds"),
    [
        pytest.param("iot_job", "COMPLETED", "IN_PROGRESS", 180, id="lists by status"),
        pytest.param("greengrass_deployment", "COMPLETED", "ACTIVE", 180, id="a list with statuses"),
        pytest.param("greengrass_bulk_deployment", "Completed", "Running", 3600, id="a list without statuses"),
    ],
)
def test_the_end_of_an_active_operation_beyond_the_limit_is_noticed(
    kind: str, ended: str, active: str, seconds: float
) -> None:
    config = WATCH.format(f"{{kind: {kind}, discover: {{max_operations: 1}}}}")
    with serve_simulation(config, running_operations(kind, ended, active, "older")) as simulation:
        exporter = simulation.exporter
        assert Scrape(exporter.scrape()).value(ACTIVE_OMITTED) == 2
        exporter.scrape(after=seconds)
        scrape = Scrape(exporter.scrape())
        assert scrape.value(ACTIVE_OMITTED) == 1
        assert scrape.ids() == {"new"}


def test_a_404_that_is_not_from_aws_removes_no_operation() -> None:
    aws = ScriptedAws({GOOD: json_response(TASK), LIST: EMPTY_LIST})
    with serve_app(aws.app()) as endpoint, serve_exporter(NAMED_AND_LISTED, endpoint) as exporter:
        exporter.scrape()
        aws.responses[GOOD] = HttpResponse(b"404 page not found", 404, {"content-type": "text/plain"})
        exposed = exporter.scrape()
        assert ids_with_count(exposed) == {"good"}
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
    config = NAMED_AND_LISTED.replace(", discover: true", "")
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint, kinds=[kind]) as exporter:
        scrape = Scrape(exporter.scrape())
    assert scrape.up() == {TASKS: 0.0}
    assert scrape.reasons() == {(TASKS, "other")}
    assert exporter.log.getvalue().count('detail="unexpected ZeroDivisionError"') == 1
