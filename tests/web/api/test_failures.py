"""The failed items of an operation as JSON: few calls to AWS, only on request, and only if it is configured."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support import http_requests
from tests.support.exporter_server import Simulation, serve_simulation
from tests.support.scripted_endpoint import ACCOUNT_ID

CONFIG = f"""
accounts: [{{account_id: "{ACCOUNT_ID}", regions: [eu-west-1], watch: [{{kind: iot_job, discover: true}}]}}]
aws: {{max_attempts: 1, api_budget: 1.0}}
"""
ALLOWED = CONFIG + "failures: true\n"
SCENARIO = f"""
accounts: ["{ACCOUNT_ID}"]
quotas: false
operations:
  - &job
    kind: iot_job
    id: firmware
    region: eu-west-1
    items: 40
    failures: [{{reason: "disk 7 is full", items: 30}}, {{reason: "no network", items: 10}}]
    timeline: [{{at: 0s, status: IN_PROGRESS, done: 0.5, failed: 0.25}}]
"""
LIST, DESCRIBE = "/jobs/firmware/things", "/things/"


def failures(simulation: Simulation, id: str = "firmware", **parameters: str) -> httpx.Response:
    """Return the response for an operation."""
    path = f"/api/v1/operations/iot_job/{id}/failures"
    return http_requests.get(simulation.exporter.url + path, params=parameters)


def calls(simulation: Simulation) -> list[str]:
    """Return the requests to AWS for failed items."""
    return [target for target in simulation.requests if target.startswith((LIST, DESCRIBE))]


def descriptions(simulation: Simulation) -> int:
    """Return the number of calls for the reason of one item."""
    return sum(target.startswith(DESCRIBE) for target in calls(simulation))


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """An exporter that may show failed items, after its first scrape."""
    with serve_simulation(ALLOWED, SCENARIO) as simulation:
        simulation.exporter.scrape()
        yield simulation


def test_the_items_are_grouped_by_reason(simulation: Simulation) -> None:
    content = failures(simulation).json()
    assert content["operation"]["id"] == "firmware"
    assert [group["reason"] for group in content["groups"]] == ["reason: disk <number> is full"]
    assert sum(group["count"] for group in content["groups"]) == len(content["items"]) == 10
    assert (content["complete"], content["omitted"], content["problems"]) == (True, 0, [])


def test_pages_of_items_are_disjoint_and_complete(simulation: Simulation) -> None:
    whole = failures(simulation).json()["items"]
    pages = [failures(simulation, limit="4", offset=str(offset)).json() for offset in (0, 4, 8)]
    assert [item for page in pages for item in page["items"]] == whole
    assert [(page["omitted"], page["complete"]) for page in pages] == [(6, False), (2, False), (0, False)]
    assert [(page["offset"], page["grouped_items"]) for page in pages] == [(0, 4), (4, 4), (8, 2)]
    assert [sum(group["count"] for group in page["groups"]) for page in pages] == [4, 4, 2]


def test_requests_at_the_same_time_cause_the_calls_of_one(simulation: Simulation) -> None:
    with ThreadPoolExecutor(4) as pool:
        contents = [response.json() for response in pool.map(lambda _: failures(simulation), range(4))]
    assert contents == [contents[0]] * 4
    assert descriptions(simulation) == 10
    before = len(calls(simulation))
    failures(simulation, limit="3")
    assert len(calls(simulation)) == before


def test_no_item_of_overlapping_pages_is_read_twice(simulation: Simulation) -> None:
    limits, offsets = ["6", "6", "3", "1"], ["0", "4", "2", "9"]
    with ThreadPoolExecutor(4) as pool:
        responses = pool.map(lambda limit, offset: failures(simulation, limit=limit, offset=offset), limits, offsets)
        pages = [response.json() for response in responses]
    assert descriptions(simulation) == 10
    whole = failures(simulation).json()["items"]
    assert [page["items"] for page in pages] == [whole[0:6], whole[4:], whole[2:5], whole[9:]]
    assert descriptions(simulation) == 10


def test_only_the_items_in_the_requested_state_are_listed(simulation: Simulation) -> None:
    names = ("", "FAILED", "TIMED_OUT", "REJECTED", "REMOVED", "CANCELED")
    items = {state: failures(simulation, state=state).json()["items"] for state in names}
    found = {state: {item["state"] for item in listed} for state, listed in items.items()}
    assert found == {
        "": {"FAILED", "TIMED_OUT", "REJECTED"},
        "FAILED": {"FAILED"},
        "TIMED_OUT": {"TIMED_OUT"},
        "REJECTED": {"REJECTED"},
        "REMOVED": set(),
        "CANCELED": set(),
    }
    assert sum(len(listed) for state, listed in items.items() if state) == len(items[""])
    assert any("status=REMOVED" in target for target in calls(simulation))


def test_old_results_are_read_again_and_a_reload_drops_them(simulation: Simulation) -> None:
    failures(simulation)
    once = len(calls(simulation))
    simulation.exporter.clock.advance(60)
    failures(simulation)
    assert len(calls(simulation)) == 2 * once
    simulation.exporter.reload(ALLOWED)
    failures(simulation)
    assert len(calls(simulation)) == 3 * once


def test_the_first_request_finds_the_failed_items_in_an_account_of_an_organization() -> None:
    config = "organizations: [{role_name: exporter, regions: [eu-west-1], watch: [{kind: iot_job, discover: true}]}]"
    members = f'[{{management_account: "{ACCOUNT_ID}", accounts: [{{id: "{ACCOUNT_ID}"}}]}}]'
    with serve_simulation(f"{config}\nfailures: true\n", f"{SCENARIO}organizations: {members}\n") as simulation:
        response = failures(simulation)
    assert (response.status_code, len(response.json()["items"])) == (200, 10)


def test_a_small_limit_makes_few_calls(simulation: Simulation) -> None:
    assert len(failures(simulation, limit="2").json()["items"]) == 2
    assert descriptions(simulation) == 2


def test_without_the_setting_no_item_is_read() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        simulation.exporter.scrape()
        response = failures(simulation)
        assert (response.status_code, calls(simulation)) == (403, [])
        assert response.json()["detail"] == "the configuration does not allow it; set failures: true"
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("id", ["other", "..%2F..%2Fthings", "%00", "a%0Ab", "a" * 300])
def test_an_unknown_id_causes_no_call(simulation: Simulation, id: str) -> None:
    before = len(simulation.requests)
    assert failures(simulation, id).status_code == 404
    assert len(simulation.requests) == before


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"state": "SUCCEEDED"}, "state"),
    ],
)
def test_an_invalid_parameter_is_named(simulation: Simulation, parameters: dict[str, str], problem: str) -> None:
    response = failures(simulation, **parameters)
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, problem)


def test_an_id_in_two_regions_needs_the_region() -> None:
    config = ALLOWED.replace("[eu-west-1]", "[eu-west-1, us-east-1]")
    with serve_simulation(config, f"{SCENARIO}  - {{<<: *job, region: us-east-1}}\n") as simulation:
        simulation.exporter.scrape()
        response = failures(simulation)
        assert (response.status_code, response.json()["errors"]) == (
            400,
            [{"parameter": "region", "detail": "required; the operation is in default eu-west-1, default us-east-1"}],
        )
        found = failures(simulation, region="us-east-1", account=ACCOUNT_ID)
        assert found.json()["operation"]["aws_region"] == "us-east-1"


def fault(api: str, more: str) -> str:
    return f"{SCENARIO}faults: [{{api: {api}, {more}}}]\n"


@pytest.mark.parametrize("api", ["ListJobExecutionsForJob", "DescribeJobExecution"])
def test_a_missing_permission_is_named_and_the_rest_works(api: str) -> None:
    denied = fault(api, "error: AccessDeniedException, status: 403")
    with serve_simulation(ALLOWED, denied) as simulation:
        simulation.exporter.scrape()
        content: Any = failures(simulation).json()
        assert [f"iot:{api}" in problem for problem in content["problems"]] == [True]
        assert content["complete"] is False
        assert 'aws_iot_bulk_exporter_up{account="default"' in simulation.exporter.scrape()


def test_items_that_take_long_are_read_on_while_the_client_is_told_to_come_again() -> None:
    slow = fault("DescribeJobExecution", "delay: 2s")
    with serve_simulation(f"{ALLOWED}refresh: {{deadline: 500ms}}\n", slow) as simulation:
        simulation.exporter.scrape()
        response = failures(simulation)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        described = len(calls(simulation))
        assert failures(simulation).status_code == 503
        assert len(calls(simulation)) == described
