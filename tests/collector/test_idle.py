"""Cells without active operations, and cells that AWS refuses, are refreshed ever more rarely."""

from collections.abc import Iterable
from typing import Any

import pytest

from exporter.collector.cells import Cell
from exporter.collector.pace import Pace
from exporter.config.sections import Account, Refresh, Watch
from exporter.kinds.iot_job import KIND as JOB
from exporter.kinds.kind import Kind
from exporter.kinds.thing_registration_task import KIND as TASK
from tests.support.exporter_server import ServedExporter, Simulation, added_requests, serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

CONFIG = """
refresh: {{min_age: 10s, idle_max_age: 5m, refused_max_age: 15m}}
accounts: [{{account_id: "111122223333", watch: [{{kind: {kind}, discover: {{unknown_statuses: true, {rules}}}}}]}}]
"""
ACTIVE_TASKS, ACTIVE_JOBS = "statuses: [InProgress, Cancelling]", "statuses: [IN_PROGRESS, SCHEDULED]"
TASKS, JOBS = CONFIG.format(kind=TASK.name, rules=ACTIVE_TASKS), CONFIG.format(kind=JOB.name, rules=ACTIVE_JOBS)
EMPTY = """
accounts: ["111122223333"]
quotas: false
operations: []
"""
OLD_JOB = """
accounts: ["111122223333"]
quotas: false
operations:
  - {kind: iot_job, id: old, region: eu-west-1, items: 10, created: -960h, timeline: [{at: 0s, status: IN_PROGRESS}]}
"""
LIST = {TASK.name: "/thing-registration-tasks?maxResults=250", JOB.name: "/jobs?maxResults=250"}


def waits(simulation: Simulation, number: int) -> list[int]:
    """Return the scrapes, ten seconds apart, between each two refreshes that made requests."""
    found, since = list[int](), 0
    simulation.requests_of(simulation.exporter.scrape)
    while len(found) < number:
        since += 1
        if simulation.requests_of(lambda: simulation.exporter.scrape(after=10.0)):
            found.append(since)
            since = 0
    return found


@pytest.mark.parametrize("config", [TASKS, JOBS], ids=["tasks", "jobs"])
def test_an_idle_cell_is_read_ever_more_rarely(config: str) -> None:
    with serve_simulation(config, EMPTY) as simulation:
        assert waits(simulation, 7) == [1, 2, 4, 8, 16, 30, 30]


def test_a_cell_is_idle_if_all_its_unfinished_operations_are_older_than_max_age() -> None:
    config = CONFIG.format(kind=JOB.name, rules=f"max_age: 720h, {ACTIVE_JOBS}")
    with serve_simulation(config, OLD_JOB) as simulation:
        assert waits(simulation, 7) == [1, 2, 4, 8, 16, 30, 30]
        assert simulation.requests_of(lambda: simulation.exporter.scrape(after=400.0)) == [LIST[JOB.name]]


@pytest.mark.parametrize(("config", "kind"), [(TASKS, TASK), (JOBS, JOB)], ids=["tasks", "jobs"])
def test_an_idle_cell_needs_one_list_for_each_refresh(config: str, kind: Kind[Any]) -> None:
    with serve_simulation(config, EMPTY) as simulation:
        requests = [simulation.requests_of(lambda: simulation.exporter.scrape(after=400.0)) for _ in range(6)]
    assert requests[2:] == [[LIST[kind.name]]] * 4


def idle_exporter(exporter: ServedExporter, refreshes: int = 8) -> None:
    """Refresh an exporter so often that idle cells are refreshed at the slowest pace."""
    for _ in range(refreshes):
        exporter.scrape(after=400.0)


def tasks(*ids: str) -> HttpResponse:
    return json_response({"taskIds": ids})


def task(status: str) -> HttpResponse:
    return json_response({"status": status, "successCount": 1, "failureCount": 0})


def task_lists(running: Iterable[str] = ()) -> dict[str, HttpResponse]:
    lists = {f"{LIST[TASK.name]}&status={status}": tasks() for status in TASK.statuses}
    return {LIST[TASK.name]: tasks(*running), **lists, f"{LIST[TASK.name]}&status=InProgress": tasks(*running)}


def test_a_task_that_starts_in_an_idle_cell_is_found_and_read_at_full_pace() -> None:
    aws = ScriptedAws(task_lists())
    with serve_app(aws.app()) as endpoint, serve_exporter(TASKS, endpoint) as exporter:
        idle_exporter(exporter)
        aws.responses |= {**task_lists(["new"]), "/thing-registration-tasks/new": task("InProgress")}
        assert Scrape(exporter.scrape(after=290.0)).ids() == set()
        assert Scrape(exporter.scrape(after=11.0)).ids() == {"new"}
        for _ in range(3):
            added = added_requests(lambda: exporter.scrape(after=11.0), aws.requests)
            assert "/thing-registration-tasks/new" in added
            assert f"{LIST[TASK.name]}&status=InProgress" in added


def test_a_task_that_ended_between_two_lists_is_described_once() -> None:
    aws = ScriptedAws(task_lists())
    with serve_app(aws.app()) as endpoint, serve_exporter(TASKS, endpoint) as exporter:
        idle_exporter(exporter)
        aws.responses |= {LIST[TASK.name]: tasks("short"), "/thing-registration-tasks/short": task("Completed")}
        added = added_requests(lambda: idle_exporter(exporter), aws.requests)
    assert added.count("/thing-registration-tasks/short") == 1
    assert set(added) == {"/thing-registration-tasks/short", LIST[TASK.name]}


def test_a_job_that_starts_in_an_idle_cell_is_found() -> None:
    started = {"jobs": [{"jobId": "new", "status": "IN_PROGRESS"}]}
    lists = {f"{LIST[JOB.name]}&status={status}": json_response({"jobs": []}) for status in JOB.statuses}
    aws = ScriptedAws({LIST[JOB.name]: json_response({"jobs": []}), **lists})
    with serve_app(aws.app()) as endpoint, serve_exporter(JOBS, endpoint) as exporter:
        idle_exporter(exporter)
        job = json_response({"job": {"jobId": "new", "status": "IN_PROGRESS", "jobProcessDetails": {}}})
        in_progress = f"{LIST[JOB.name]}&status=IN_PROGRESS"
        aws.responses |= {LIST[JOB.name]: json_response(started), in_progress: json_response(started), "/jobs/new": job}
        assert Scrape(exporter.scrape(after=400.0)).ids() == {"new"}
        added = added_requests(lambda: exporter.scrape(after=11.0), aws.requests)
        assert {"/jobs/new", in_progress} <= set(added)


def test_a_list_of_all_operations_that_is_too_long_is_replaced_by_those_of_active_statuses() -> None:
    page = {"jobs": [{"jobId": "old", "status": "COMPLETED"}], "nextToken": "2"}
    lists = {f"{LIST[JOB.name]}&status={status}": json_response({"jobs": []}) for status in JOB.statuses}
    pages = {f"/jobs?maxResults=250&nextToken={number}": {**page, "nextToken": str(number + 1)} for number in (2, 3)}
    aws = ScriptedAws({LIST[JOB.name]: json_response(page), **lists})
    aws.responses |= {path: json_response(content) for path, content in pages.items()}
    aws.responses["/jobs?maxResults=250&nextToken=4"] = json_response({"jobs": []})
    active = {f"{LIST[JOB.name]}&status={status}" for status in ("IN_PROGRESS", "SCHEDULED")}
    with serve_app(aws.app()) as endpoint, serve_exporter(JOBS, endpoint) as exporter:
        exporter.scrape()
        exporter.scrape()
        added = added_requests(lambda: exporter.scrape(after=200.0), aws.requests)
    assert set(added) == active


def test_idle_cells_stay_up_while_they_are_read_rarely() -> None:
    with serve_simulation(TASKS, EMPTY) as simulation:
        idle_exporter(simulation.exporter)
        for _ in range(20):
            exposed = Scrape(simulation.exporter.scrape(after=30.0))
            assert exposed.value("aws_iot_bulk_exporter_up") == 1
            read_at = exposed.value("aws_iot_bulk_exporter_last_success_timestamp_seconds")
            assert read_at is not None
            assert simulation.exporter.clock.at - read_at <= 330


def refused_aws() -> ScriptedAws:
    denied = error_response("AccessDeniedException", 403)
    return ScriptedAws(dict.fromkeys(task_lists(), denied))


def test_a_cell_that_aws_refuses_is_tried_rarely_and_at_once_after_a_reload() -> None:
    aws = refused_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(TASKS, endpoint) as exporter:
        for _ in range(10):
            exposed = exporter.scrape(after=1000.0)
        assert Scrape(exposed).reasons() == {(TASK.name, "access_denied")}
        assert added_requests(lambda: exporter.scrape(after=890.0), aws.requests) == []
        assert exporter.reload(TASKS).status_code == 200
        assert added_requests(lambda: exporter.scrape(after=0.0), aws.requests)


def test_a_refused_cell_keeps_its_reason_between_two_tries() -> None:
    aws = refused_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(TASKS, endpoint) as exporter:
        for _ in range(10):
            exporter.scrape(after=1000.0)
        exposed = exporter.scrape(after=890.0)
    assert Scrape(exposed).reasons() == {(TASK.name, "access_denied")}


def test_named_ids_are_read_at_full_pace_although_aws_refuses_them() -> None:
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [x]}]}]'
    path = "/thing-registration-tasks/x"
    aws = ScriptedAws({path: error_response("AccessDeniedException", 403)})
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        added = [added_requests(lambda: exporter.scrape(after=11.0), aws.requests) for _ in range(10)]
    assert added == [[path]] * 10


def cell(region: str, found: bool) -> Cell:
    return Cell(Account(name="a"), region, TASK, Watch(kind=TASK.name), found=found)


def test_the_first_wait_of_found_cells_is_spread_over_the_longest_one() -> None:
    settings, regions = Refresh.model_validate({"idle_max_age": "5m"}), [f"region-{number}" for number in range(200)]
    first = [Pace(idle=1).seconds(cell(region, True), settings) for region in regions]
    assert min(first) < 30 < 270 < max(first) <= 300
    assert {Pace(idle=2).seconds(cell(region, True), settings) for region in regions} == {300.0}


def test_any_number_of_refreshes_has_a_wait() -> None:
    assert Pace(idle=10_000).seconds(cell("r", False), Refresh()) == 60.0


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({}, 60.0), ({"stale_after": "1m"}, 30.0), ({"min_age": "2m"}, 120.0)],
    ids=["default", "data that expires early", "data that is kept longer"],
)
def test_the_default_pace_of_idle_cells_fits_the_other_settings(settings: dict[str, str], seconds: float) -> None:
    assert Refresh.model_validate(settings).idle_seconds == seconds
