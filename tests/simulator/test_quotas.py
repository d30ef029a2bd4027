from __future__ import annotations

from typing import Any

import pytest

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.simulator.served_scenario import ACCOUNTS, START, Aws, simulated

CALLS = [(kind, call) for kind in KINDS for call in kind.calls]
LIST = ApiCall("iot", "ListThingRegistrationTasks", quota=10)


def statuses(aws: Aws, call: ApiCall, number: int, kind: Kind[Any] = KINDS[0]) -> list[int]:
    return [aws.answer(kind, call, "nobody").status_code for _ in range(number)]


@pytest.mark.parametrize(("kind", "call"), CALLS, ids=lambda one: one.name)
def test_the_call_beyond_the_quota_is_throttled_until_a_second_has_passed(kind: Kind[Any], call: ApiCall) -> None:
    with simulated(ACCOUNTS) as aws:
        allowed = statuses(aws, call, int(call.quota), kind)
        assert set(allowed) == {404 if call in kind.simulation.answers else 200}
        throttled = aws.answer(kind, call, "nobody")
        assert throttled.status_code in (400, 429)
        assert throttled.headers["x-amzn-errortype"] in ("ThrottlingException", "TooManyRequestsException")
        aws.clock.seconds += 1
        assert statuses(aws, call, int(call.quota), kind) == allowed
        assert statuses(aws, call, 1, kind) == [throttled.status_code]


def refused(answer: Any) -> tuple[str, int]:
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_the_eleventh_call_in_a_second_is_throttled_with_the_400_of_iot() -> None:
    with simulated(ACCOUNTS) as aws:
        client = aws.client("iot")
        for _ in range(10):
            client.list_thing_registration_tasks()
        with pytest.raises(client.exceptions.ThrottlingException) as caught:
            client.list_thing_registration_tasks()
        assert refused(caught.value.response) == ("ThrottlingException", 400)


def test_the_thirty_first_call_in_a_second_is_throttled_with_the_429_of_greengrass() -> None:
    with simulated(ACCOUNTS) as aws:
        client = aws.client("greengrass")
        for _ in range(30):
            client.list_bulk_deployments()
        with pytest.raises(client.exceptions.ClientError) as caught:
            client.list_bulk_deployments()
        assert refused(caught.value.response) == ("TooManyRequestsException", 429)


def test_no_second_holds_more_calls_than_the_quota_and_none_is_saved_up() -> None:
    with simulated(ACCOUNTS) as aws:
        aws.clock.seconds = START + 60
        assert statuses(aws, LIST, 6) == [200] * 6
        aws.clock.seconds = START + 60.9
        assert statuses(aws, LIST, 5) == [200] * 4 + [400]
        aws.clock.seconds = START + 61
        assert statuses(aws, LIST, 7) == [200] * 6 + [400]


def test_each_region_and_each_api_has_a_quota_of_its_own() -> None:
    with simulated(ACCOUNTS) as aws:
        client = aws.client("iot")
        for _ in range(10):
            client.list_thing_registration_tasks()
        assert aws.client("iot", region="us-east-1").list_thing_registration_tasks()["taskIds"] == []
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.describe_thing_registration_task(taskId="nobody")


def test_a_scenario_may_switch_quotas_off() -> None:
    with simulated(f"{ACCOUNTS}quotas: false") as aws:
        assert statuses(aws, LIST, 40) == [200] * 40
