"""Requests for the failed items of an operation that overlap each other, a reload, or a failure."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from exporter.collector import failure_reader
from tests.support import http_requests
from tests.support.exporter_server import Simulation, serve_simulation
from tests.support.waiting import wait_until
from tests.web.api.test_failures import ALLOWED, CONFIG, SCENARIO, descriptions, failures, fault

# No reading of these tests reaches the deadline, also on a busy machine.
PATIENT = f"{ALLOWED}refresh: {{deadline: 60s}}\n"
SLOW = fault("DescribeJobExecution", "delay: 2s")
DENIED = fault("ListJobExecutionsForJob", "error: AccessDeniedException, status: 403, until: 2m")


@contextmanager
def serve(scenario: str) -> Iterator[Simulation]:
    """Serve an exporter that may show failed items, after its first scrape."""
    with serve_simulation(PATIENT, scenario) as simulation:
        simulation.exporter.scrape()
        yield simulation


@contextmanager
def waiting_request(simulation: Simulation, limit: str) -> Iterator[Future[httpx.Response]]:
    """Yield the response to a request whose items are being read."""
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(failures, simulation, limit=limit)
        wait_until(lambda: descriptions(simulation) or None, "the first item")
        yield response


def test_a_request_for_more_items_does_not_end_one_for_fewer() -> None:
    with serve(SLOW) as simulation, waiting_request(simulation, limit="2") as fewer:
        more = failures(simulation, limit="10")
        assert (fewer.result().status_code, more.status_code) == (200, 200)
        assert (len(fewer.result().json()["items"]), len(more.json()["items"])) == (2, 10)


@pytest.mark.parametrize("config", [PATIENT, CONFIG], ids=["still allowed", "no longer allowed"])
def test_a_reload_during_a_reading_refuses_its_requests_with_a_status(config: str) -> None:
    with serve(SLOW) as simulation, waiting_request(simulation, limit="2") as response:
        simulation.exporter.reload(config)
        refused = response.result()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "the configuration was reloaded" in refused.json()["detail"]


def test_the_page_of_an_ended_operation_shows_items_soon_after_a_permission_was_added() -> None:
    ended = DENIED.replace("IN_PROGRESS, done: 0.5", "COMPLETED, done: 1.0")
    with serve(ended) as simulation:
        url = simulation.exporter.url + "/operations/iot_job/firmware"
        refused = wait_until(lambda: _text_with_reasons(url), "the refusal")
        assert "needs the permission iot:ListJobExecutionsForJob" in refused
        assert "AWS lists no failed item" not in refused
        simulation.exporter.clock.advance(120)
        text = wait_until(lambda: _text_with_reasons(url), "the reasons")
        assert "needs the permission" not in text


def _text_with_reasons(url: str) -> str | None:
    text = http_requests.get(url).text
    return None if "are being read" in text else text


def test_a_refused_call_is_not_repeated_for_the_same_items() -> None:
    with serve(fault("DescribeJobExecution", "error: AccessDeniedException, status: 403")) as simulation:
        refused = failures(simulation, limit="9").json()
        made = descriptions(simulation)
        assert made <= 8
        assert failures(simulation, limit="9").json() == refused
        assert descriptions(simulation) == made
        failures(simulation, limit="1", offset="9")
        assert descriptions(simulation) == made + 1


@pytest.mark.parametrize(("limit", "value"), [("MAX_KEPT", 2), ("MAX_KEPT_ITEMS", 45)])
def test_the_oldest_readings_are_dropped(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_reader, limit, value)
    ids = [f"job-{number}" for number in range(3)]
    with serve(SCENARIO + "".join(f"  - {{<<: *job, id: {id}}}\n" for id in ids)) as simulation:
        for id in ids:
            assert len(failures(simulation, id).json()["items"]) == 10
        made = len(simulation.requests)
        failures(simulation, ids[2])
        failures(simulation, ids[1])
        assert len(simulation.requests) == made
        failures(simulation, ids[0])
        assert len(simulation.requests) > made
