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
    simulated,
)

TASK = f"""{ACCOUNTS}
quotas: false
operations:
  - {{kind: thing_registration_task, id: one, region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
  - {{kind: thing_registration_task, id: two, region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
faults:
"""
TASKS = "/thing-registration-tasks"


def seen(aws: Aws, path: str = TASKS, region: str = REGION) -> int:
    return aws.raw("GET", path, region=region).status_code


def test_an_error_is_answered_as_the_service_would() -> None:
    fault = "  - {api: DescribeThingRegistrationTask, error: AccessDeniedException, status: 403, message: Go away.}"
    with simulated(TASK + fault) as aws:
        client = aws.client("iot")
        with pytest.raises(ClientError, match=r"AccessDeniedException.*Go away\.") as caught:
            client.describe_thing_registration_task(taskId="one")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert client.list_thing_registration_tasks()["taskIds"] == ["one", "two"]


def test_an_error_of_sts_is_xml() -> None:
    with simulated(TASK + "  - {service: sts, error: RegionDisabledException, status: 403}") as aws:
        client = aws.client("sts")
        with pytest.raises(client.exceptions.RegionDisabledException):
            client.get_caller_identity()


def test_a_body_of_its_own_may_look_like_success() -> None:
    with simulated(TASK + "  - {status: 200, body: '<html>Log in.</html>'}") as aws:
        answer = aws.raw("GET", TASKS)
        assert (answer.status_code, answer.text) == (200, "<html>Log in.</html>")
        assert answer.headers["content-type"].startswith("text/html")


def test_an_empty_body_is_a_body() -> None:
    with simulated(TASK + "  - {body: '', content_type: application/json}") as aws:
        answer = aws.raw("GET", TASKS)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/json")


@pytest.mark.parametrize("cut", [0, 10])
def test_a_cut_answer_announces_more_than_it_sends(cut: int) -> None:
    with simulated(TASK + f"  - {{cut: {cut}}}") as aws:
        received: list[bytes] = []
        with httpx.stream("GET", aws.url + TASKS, headers={"authorization": authorization()}) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(answer.iter_raw())
            assert answer.headers["content-length"] == "27"
        assert b"".join(received) == b'{"taskIds": ["one", "two"]}'[:cut]


def test_a_delay_comes_before_the_true_answer() -> None:
    with simulated(TASK + "  - {delay: 2s, id: one}") as aws:
        assert seen(aws) == 200
        with pytest.raises(httpx.ReadTimeout):
            aws.raw("GET", f"{TASKS}/one", timeout=httpx.Timeout(5, read=0.1))
        assert aws.raw("GET", f"{TASKS}/one").json()["taskId"] == "one"


def test_latency_delays_every_answer() -> None:
    with simulated(f"{ACCOUNTS}latency: 2s") as aws:
        with pytest.raises(httpx.ReadTimeout):
            aws.raw("GET", TASKS, timeout=httpx.Timeout(5, read=0.1))
        assert seen(aws) == 200


def test_a_fault_has_its_time() -> None:
    with simulated(TASK + "  - {from: 10s, until: 20s, error: InternalFailureException, status: 500}") as aws:
        found = []
        for after in (9.9, 10, 19.9, 20):
            aws.clock.seconds = START + after
            found.append(seen(aws))
        assert found == [200, 500, 500, 200]


def test_a_share_of_the_requests_is_spread_evenly() -> None:
    with simulated(TASK + "  - {share: 0.25, error: E, status: 503}") as aws:
        assert [seen(aws) for _ in range(8)] == [200, 200, 200, 503] * 2


def test_the_first_fault_that_fits_answers() -> None:
    faults = f"""
  - {{account: "{OTHER_ACCOUNT}", error: E, status: 501}}
  - {{region: us-east-1, error: E, status: 502}}
  - {{service: greengrass, error: E, status: 503}}
  - {{id: one, error: E, status: 504}}
  - {{account: "{ACCOUNT}", region: {REGION}, service: iot, api: ListThingRegistrationTasks, error: E, status: 505}}
"""
    with simulated(TASK + faults) as aws:
        assert seen(aws) == 505
        assert seen(aws, region="us-east-1") == 502
        assert seen(aws, f"{TASKS}/one") == 504
        assert seen(aws, f"{TASKS}/two") == 200
        assert aws.raw("GET", "/greengrass/bulk/deployments", "greengrass").status_code == 503
