"""No scrape waits longer than it has, and what hangs holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.exporter_server import serve_exporter, serve_simulation
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

CONFIG = """
accounts:
  - account_id: "111122223333"
    regions: [eu-west-1, us-east-1]
    watch: [{kind: thing_registration_task, ids: [x]}]
aws: {max_attempts: 1}
"""
SCENARIO = """
accounts: ["111122223333"]
operations:
  - &task {kind: thing_registration_task, id: x, region: eu-west-1, items: 9, timeline: [{at: 0s, status: InProgress}]}
  - {<<: *task, region: us-east-1}
"""
COUNT = "aws_iot_thing_registration_task_succeeded_things{"


def regions(exposed: str) -> set[str]:
    """The Regions whose task has a count."""
    return {row.split('aws_region="')[1].split('"')[0] for row in exposed.splitlines() if row.startswith(COUNT)}


def up(exposed: str) -> dict[str, float]:
    """Whether each Region's cell is up."""
    rows = [row for row in exposed.splitlines() if row.startswith("aws_iot_bulk_exporter_up{")]
    return {row.split('aws_region="')[1].split('"')[0]: float(row.rpartition(" ")[2]) for row in rows}


async def drip(request: Request) -> Response:
    """Answer a blank every 50 ms, for longer than anybody waits."""

    async def blanks() -> AsyncIterator[bytes]:
        for _ in range(1200):
            yield b" "
            await asyncio.sleep(0.05)

    return StreamingResponse(blanks(), media_type="application/json")


def test_a_scrape_without_time_answers_at_once_and_a_later_one_gets_the_rest_for_no_further_call() -> None:
    with serve_simulation(CONFIG, SCENARIO + "latency: 300ms\n") as simulation:
        assert regions(simulation.exporter.scrape(within="0.51")) == set()
        later = wait_until(lambda: regions(simulation.exporter.scrape(after=0.0, within="0.6")) or None, "rows")
        assert later <= {"eu-west-1", "us-east-1"}
        assert regions(simulation.exporter.scrape(after=0.0)) == {"eu-west-1", "us-east-1"}
        assert len(simulation.requests) == 2


def test_a_scope_that_hangs_leaves_the_rows_of_the_others_alone() -> None:
    hangs = "faults: [{region: us-east-1, delay: 60s}]\n"
    with serve_simulation(CONFIG, SCENARIO + hangs) as simulation:
        wait_until(lambda: regions(simulation.exporter.scrape(after=0.0, within="1")) or None, "rows")
        for _ in range(2):
            exposed = simulation.exporter.scrape(within="1")
            assert regions(exposed) == {"eu-west-1"}
            assert up(exposed) == {"eu-west-1": 1.0, "us-east-1": 0.0}


def test_a_call_that_outlives_its_deadline_is_a_timeout_although_bytes_keep_coming() -> None:
    slow = CONFIG.replace("{max_attempts: 1}", "{max_attempts: 1, connect_timeout: 300ms, read_timeout: 300ms}")
    with (
        serve_app(Starlette(routes=[Route("/{path:path}", drip)])) as endpoint,
        serve_exporter(slow, endpoint) as exporter,
    ):
        exposed = exporter.scrape()
        assert exposed.count('kind="thing_registration_task",reason="timeout"} 1.0') == 2
        assert exporter.log.getvalue().count("the call took longer than its deadline") == 2


def test_throttling_is_counted_halves_the_budget_and_costs_no_row() -> None:
    throttled = "faults: [{api: DescribeThingRegistrationTask, from: 61s, until: 119s, error: ThrottlingException}]\n"
    with serve_simulation(CONFIG.replace(", us-east-1", ""), SCENARIO + throttled) as simulation:
        ratio = "aws_iot_bulk_exporter_api_budget_ratio{"
        assert regions(simulation.exporter.scrape(after=0.0)) == {"eu-west-1"}
        exposed = simulation.exporter.scrape(after=62.0)
        assert regions(exposed) == {"eu-west-1"}
        assert 'reason="throttled"} 1.0' in exposed
        assert 'code="ThrottlingException",service="iot"} 1.0' in exposed
        assert [float(row.rpartition(" ")[2]) for row in exposed.splitlines() if row.startswith(ratio)] == [0.25]
        recovered = simulation.exporter.scrape(after=60.0)
        assert [float(row.rpartition(" ")[2]) for row in recovered.splitlines() if row.startswith(ratio)] == [0.5]
        assert up(recovered) == {"eu-west-1": 1.0}


def test_retries_are_counted_as_attempts_and_paid_for() -> None:
    fails = "faults: [{api: DescribeThingRegistrationTask, until: 1s, error: InternalFailureException, status: 500}]\n"
    config = CONFIG.replace(", us-east-1", "").replace("max_attempts: 1", "max_attempts: 3")
    with serve_simulation(config, SCENARIO + fails) as simulation:
        exposed = simulation.exporter.scrape(after=0.0)
        same = 'api="DescribeThingRegistrationTask",aws_account_id="111122223333",aws_region="eu-west-1"'
        assert f'aws_iot_bulk_exporter_api_requests_total{{{same},service="iot"}} 3.0' in exposed
        assert f'errors_total{{{same},code="InternalFailureException",service="iot"}} 3.0' in exposed
        assert 'reason="server_error"} 1.0' in exposed
