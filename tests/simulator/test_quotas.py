from typing import Any

import pytest

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.simulator.served_scenario import ACCOUNTS, START, Aws, error_of, serve_scenario

CALLS = [(kind, call) for kind in KINDS for call in kind.calls]
LIST = ApiCall("iot", "ListThingRegistrationTasks", quota=10)


def statuses(aws: Aws, call: ApiCall, number: int, kind: Kind[Any] = KINDS[0]) -> list[int]:
    return [aws.call(kind, call, "nobody").status_code for _ in range(number)]


@pytest.mark.parametrize(("kind", "call"), CALLS, ids=lambda value: value.name)
def test_a_call_above_the_quota_is_throttled_for_a_second(kind: Kind[Any], call: ApiCall) -> None:
    with serve_scenario(ACCOUNTS) as aws:
        allowed = statuses(aws, call, int(call.quota), kind)
        assert set(allowed) == {404 if call in kind.simulation.responses else 200}
        throttled = aws.call(kind, call, "nobody")
        assert throttled.status_code in (400, 429)
        assert throttled.headers["x-amzn-errortype"] in ("ThrottlingException", "TooManyRequestsException")
        aws.clock.at += 1
        assert statuses(aws, call, int(call.quota), kind) == allowed
        assert statuses(aws, call, 1, kind) == [throttled.status_code]


@pytest.mark.parametrize(
    ("service", "api", "quota", "error"),
    [
        ("iot", "list_thing_registration_tasks", 10, ("ThrottlingException", 400)),
        ("greengrass", "list_bulk_deployments", 30, ("TooManyRequestsException", 429)),
    ],
)
def test_boto3_raises_the_throttling_error_of_each_service(
    service: str, api: str, quota: int, error: tuple[str, int]
) -> None:
    with serve_scenario(ACCOUNTS) as aws:
        call = getattr(aws.client(service), api)
        for _ in range(quota):
            call()
        assert error_of(call) == error


def test_no_second_has_more_calls_than_the_quota_and_unused_calls_expire() -> None:
    with serve_scenario(ACCOUNTS) as aws:
        aws.clock.at = START + 60
        assert statuses(aws, LIST, 6) == [200] * 6
        aws.clock.at = START + 60.9
        assert statuses(aws, LIST, 5) == [200] * 4 + [400]
        aws.clock.at = START + 61
        assert statuses(aws, LIST, 7) == [200] * 6 + [400]


def test_each_region_and_each_api_has_a_quota_of_its_own() -> None:
    with serve_scenario(ACCOUNTS) as aws:
        client = aws.client("iot")
        for _ in range(10):
            client.list_thing_registration_tasks()
        assert aws.client("iot", region="us-east-1").list_thing_registration_tasks()["taskIds"] == []
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.describe_thing_registration_task(taskId="nobody")


def test_a_scenario_can_disable_quotas() -> None:
    with serve_scenario(f"{ACCOUNTS}quotas: false") as aws:
        assert statuses(aws, LIST, 40) == [200] * 40
