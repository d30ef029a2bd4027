from __future__ import annotations

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.simulator.served_scenario import (
    ACCOUNT,
    ACCOUNTS,
    OTHER_ACCOUNT,
    REGION,
    START,
    Aws,
    authorization,
    serve_scenario,
)

TASK = f"""{ACCOUNTS}
quotas: false
operations:
  - {{kind: thing_registration_task, id: one, region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
  - {{kind: thing_registration_task, id: two, region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
faults:
"""
TASKS = "/thing-registration-tasks"


def status(aws: Aws, path: str = TASKS, region: str = REGION) -> int:
    return aws.request("GET", path, region=region).status_code


def test_an_error_has_the_format_of_the_service() -> None:
    fault = "  - {api: DescribeThingRegistrationTask, error: AccessDeniedException, status: 403, message: Go away.}"
    with serve_scenario(TASK + fault) as aws:
        client = aws.client("iot")
        with pytest.raises(ClientError, match=r"AccessDeniedException.*Go away\.") as caught:
            client.describe_thing_registration_task(taskId="one")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert client.list_thing_registration_tasks()["taskIds"] == ["one", "two"]


def test_an_error_of_sts_is_xml() -> None:
    with serve_scenario(TASK + "  - {service: sts, error: RegionDisabledException, status: 403}") as aws:
        client = aws.client("sts")
        with pytest.raises(client.exceptions.RegionDisabledException):
            client.get_caller_identity()


@pytest.mark.parametrize(
    ("fault", "body", "content_type"),
    [
        ("status: 200, body: '<html>Log in.</html>'", "<html>Log in.</html>", "text/html; charset=utf-8"),
        ("body: '', content_type: application/json", "", "application/json"),
    ],
)
def test_a_body_replaces_the_response(fault: str, body: str, content_type: str) -> None:
    with serve_scenario(TASK + f"  - {{{fault}}}") as aws:
        response = aws.request("GET", TASKS)
    assert (response.status_code, response.text, response.headers["content-type"]) == (200, body, content_type)


@pytest.mark.parametrize("cut", [0, 10])
def test_a_cut_response_announces_more_bytes_than_it_sends(cut: int) -> None:
    with serve_scenario(TASK + f"  - {{cut: {cut}}}") as aws:
        received: list[bytes] = []
        with httpx.stream("GET", aws.url + TASKS, headers={"authorization": authorization()}) as response:
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(response.iter_raw())
            assert response.headers["content-length"] == "27"
        assert b"".join(received) == b'{"taskIds": ["one", "two"]}'[:cut]


def test_a_delay_precedes_the_normal_response() -> None:
    with serve_scenario(TASK + "  - {delay: 2s, id: one}") as aws:
        assert status(aws) == 200
        with pytest.raises(httpx.ReadTimeout):
            aws.request("GET", f"{TASKS}/one", timeout=httpx.Timeout(5, read=0.1))
        assert aws.request("GET", f"{TASKS}/one").json()["taskId"] == "one"


def test_latency_delays_every_response() -> None:
    with serve_scenario(f"{ACCOUNTS}latency: 2s") as aws:
        with pytest.raises(httpx.ReadTimeout):
            aws.request("GET", TASKS, timeout=httpx.Timeout(5, read=0.1))
        assert status(aws) == 200


def test_a_fault_has_a_start_and_an_end() -> None:
    with serve_scenario(TASK + "  - {from: 10s, until: 20s, error: InternalFailureException, status: 500}") as aws:
        statuses = []
        for after in (9.9, 10, 19.9, 20):
            aws.clock.seconds = START + after
            statuses.append(status(aws))
        assert statuses == [200, 500, 500, 200]


def test_a_share_of_the_requests_is_spread_evenly() -> None:
    with serve_scenario(TASK + "  - {share: 0.25, error: E, status: 503}") as aws:
        assert [status(aws) for _ in range(8)] == [200, 200, 200, 503] * 2


def test_the_first_matching_fault_is_used() -> None:
    faults = f"""
  - {{account: "{OTHER_ACCOUNT}", error: E, status: 501}}
  - {{region: us-east-1, error: E, status: 502}}
  - {{service: greengrass, error: E, status: 503}}
  - {{id: one, error: E, status: 504}}
  - {{account: "{ACCOUNT}", region: {REGION}, service: iot, api: ListThingRegistrationTasks, error: E, status: 505}}
"""
    with serve_scenario(TASK + faults) as aws:
        assert status(aws) == 505
        assert status(aws, region="us-east-1") == 502
        assert status(aws, f"{TASKS}/one") == 504
        assert status(aws, f"{TASKS}/two") == 200
        assert aws.request("GET", "/greengrass/bulk/deployments", "greengrass").status_code == 503
