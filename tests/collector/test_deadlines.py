"""No scrape exceeds its time-out, and a call that hangs delays nothing else."""

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from exporter.metrics.self_metrics import STARTED_AT_ZERO
from tests.support.exporter_server import serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

WATCH = "watch: [{kind: thing_registration_task, ids: [x]}]"
CONFIG = f"""
accounts: [{{account_id: "111122223333", regions: [eu-west-1, us-east-1], {WATCH}}}]
aws: {{max_attempts: 1}}
"""
SCENARIO = """
accounts: ["111122223333"]
operations:
  - &task {kind: thing_registration_task, id: x, region: eu-west-1, items: 9, timeline: [{at: 0s, status: InProgress}]}
  - {<<: *task, region: us-east-1}
"""
COUNT = "aws_iot_thing_registration_task_succeeded_things"
UP = "aws_iot_bulk_exporter_up"
ERRORS = "aws_iot_bulk_exporter_api_request_errors_total"
RATIO = "aws_iot_bulk_exporter_api_budget_ratio"


def regions(exposed: str) -> set[str]:
    """Return the Regions whose task has a count."""
    return set(Scrape(exposed).by("aws_region", COUNT))


async def blank_response(request: Request) -> Response:
    """Send a blank every 50 ms for a minute."""

    async def blanks() -> AsyncIterator[bytes]:
        for _ in range(1200):
            yield b" "
            await asyncio.sleep(0.05)

    return StreamingResponse(blanks(), media_type="application/json")


def test_a_scrape_with_a_short_time_out_returns_in_time_and_later_scrapes_get_the_rest_without_more_calls() -> None:
    with serve_simulation(CONFIG, SCENARIO + "latency: 300ms\n") as simulation:
        assert regions(simulation.exporter.scrape(within="0.51")) == set()
        later = wait_until(lambda: regions(simulation.exporter.scrape(after=0.0, within="0.6")) or None, "rows")
        assert later <= {"eu-west-1", "us-east-1"}
        assert regions(simulation.exporter.scrape(after=0.0)) == {"eu-west-1", "us-east-1"}
        assert len(simulation.requests) == 2


def test_a_scope_that_hangs_does_not_affect_the_series_of_other_scopes() -> None:
    hangs = "faults: [{region: us-east-1, delay: 60s}]\n"
    with serve_simulation(CONFIG, SCENARIO + hangs) as simulation:
        wait_until(lambda: regions(simulation.exporter.scrape(after=0.0, within="1")) or None, "rows")
        for _ in range(2):
            exposed = simulation.exporter.scrape(within="1")
            assert regions(exposed) == {"eu-west-1"}
            assert Scrape(exposed).by("aws_region", UP) == {"eu-west-1": 1.0, "us-east-1": 0.0}


def test_a_call_that_exceeds_its_deadline_is_a_timeout_although_it_still_receives_bytes() -> None:
    slow = CONFIG.replace("{max_attempts: 1}", "{max_attempts: 1, connect_timeout: 1s, read_timeout: 2s}")
    with (
        serve_app(Starlette(routes=[Route("/{path:path}", blank_response)])) as endpoint,
        serve_exporter(slow, endpoint) as exporter,
    ):
        exposed = exporter.scrape()
        assert exposed.count('kind="thing_registration_task",reason="timeout"} 1.0') == 2
        assert exporter.log.getvalue().count("the call took longer than its deadline") == 2


def test_throttling_is_counted_and_halves_the_budget_and_keeps_the_series() -> None:
    throttled = "faults: [{api: DescribeThingRegistrationTask, from: 61s, until: 119s, error: ThrottlingException}]\n"
    with serve_simulation(CONFIG.replace(", us-east-1", ""), SCENARIO + throttled) as simulation:
        assert regions(simulation.exporter.scrape(after=0.0)) == {"eu-west-1"}
        exposed = simulation.exporter.scrape(after=62.0)
        assert regions(exposed) == {"eu-west-1"}
        assert 'reason="throttled"} 1.0' in exposed
        assert 'aws_service="iot",code="ThrottlingException"} 1.0' in exposed
        assert Scrape(exposed).value(RATIO) == 0.25
        recovered = simulation.exporter.scrape(after=60.0)
        assert Scrape(recovered).value(RATIO) == 0.5
        assert Scrape(recovered).by("aws_region", UP) == {"eu-west-1": 1.0}


def test_failures_of_a_called_api_begin_with_zero_so_that_their_first_burst_has_a_rate() -> None:
    throttled = "faults: [{api: DescribeThingRegistrationTask, from: 61s, error: ThrottlingException}]\n"
    with serve_simulation(CONFIG.replace(", us-east-1", ""), SCENARIO + throttled) as simulation:
        before, after = (Scrape(simulation.exporter.scrape(after=seconds)) for seconds in (0.0, 62.0))
    for counted in (before, after):
        apis = set(counted.by("api", "aws_iot_bulk_exporter_api_requests_total"))
        assert set(counted.by("api", ERRORS, code="ThrottlingException")) == apis
        assert counted.by("code", ERRORS, api="DescribeThingRegistrationTask").keys() == {*STARTED_AT_ZERO}
    api = {"api": "DescribeThingRegistrationTask", "code": "ThrottlingException"}
    assert (before.value(ERRORS, **api), after.value(ERRORS, **api)) == (0.0, 1.0)


def test_retries_are_counted_as_requests() -> None:
    fails = "faults: [{api: DescribeThingRegistrationTask, until: 1s, error: InternalFailureException, status: 500}]\n"
    config = CONFIG.replace(", us-east-1", "").replace("max_attempts: 1", "max_attempts: 3")
    with serve_simulation(config, SCENARIO + fails) as simulation:
        exposed = simulation.exporter.scrape(after=0.0)
        same = 'api="DescribeThingRegistrationTask",aws_account_id="111122223333",aws_region="eu-west-1"'
        assert f'aws_iot_bulk_exporter_api_requests_total{{{same},aws_service="iot"}} 3.0' in exposed
        assert f'errors_total{{{same},aws_service="iot",code="InternalFailureException"}} 3.0' in exposed
        assert 'reason="server_error"} 1.0' in exposed
