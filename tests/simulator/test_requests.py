"""How the simulator accepts and refuses requests: paths, signatures and quotas."""

import uuid
from typing import Any

import httpx
import pytest

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.simulator.served_scenario import ACCOUNTS, REGION, START, Aws, authorization, error_of, serve_scenario
from tests.support import http_requests

SCENARIO = f"""{ACCOUNTS}
operations:
  - {{kind: thing_registration_task, id: "a/b+c%", region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
"""
TASKS = "/thing-registration-tasks"
CALLS = [(kind, call) for kind in KINDS for call in kind.calls]
LIST = ApiCall("iot", "ListThingRegistrationTasks", quota=10)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.headers["x-amzn-errortype"]


def test_an_id_is_percent_decoded(aws: Aws) -> None:
    assert aws.client("iot").describe_thing_registration_task(taskId="a/b+c%")["taskId"] == "a/b+c%"


def test_every_response_has_a_request_id(aws: Aws) -> None:
    ids = {aws.request("GET", TASKS).headers["x-amzn-requestid"] for _ in range(2)}
    assert len({uuid.UUID(id) for id in ids}) == 2


def test_an_id_of_41_characters_is_refused(aws: Aws) -> None:
    client = aws.client("iot")
    with pytest.raises(client.exceptions.InvalidRequestException, match="less than or equal to 40"):
        client.describe_thing_registration_task(taskId="x" * 41)


def test_an_empty_id_calls_the_list_api_and_boto3_returns_an_empty_task(aws: Aws) -> None:
    response = aws.client("iot").describe_thing_registration_task(taskId="")
    assert response.keys() == {"ResponseMetadata"}


def test_an_unknown_id_is_not_found_with_the_error_of_the_model(aws: Aws) -> None:
    assert code(aws.request("GET", f"{TASKS}/nobody")) == (404, "ResourceNotFoundException")


def test_an_unknown_id_of_greengrass_v1_is_not_found_although_the_model_has_no_such_error(aws: Aws) -> None:
    response = aws.request("GET", "/greengrass/bulk/deployments/nobody/status", "greengrass")
    assert code(response) == (404, "IdNotFoundException")
    assert response.json().keys() == {"Message"}


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("GET", "/things", "iot"),
        ("GET", "/", "iot"),
        ("GET", "/nowhere/at/all", "iot"),
        ("POST", TASKS, "iot"),
        ("DELETE", f"{TASKS}/x", "iot"),
        ("PATCH", TASKS, "iot"),
        ("OPTIONS", TASKS, "iot"),
        ("GET", TASKS, "greengrass"),
        ("PUT", "/greengrass/bulk/deployments/x/$stop", "greengrass"),
        ("GET", "/a%0Ab", "iot"),
        ("GET", "/%ff%00/%2e%2e", "iot"),
    ],
)
def test_an_api_that_no_kind_calls_is_an_unknown_operation(aws: Aws, method: str, path: str, service: str) -> None:
    assert code(aws.request(method, path, service)) == (404, "UnknownOperationException")


def test_head_is_an_unknown_operation_without_a_body(aws: Aws) -> None:
    response = aws.request("HEAD", TASKS)
    assert (code(response), response.content) == ((404, "UnknownOperationException"), b"")


def test_a_service_that_is_not_simulated_is_refused(aws: Aws) -> None:
    assert code(aws.request("GET", "/bucket", "s3")) == (403, "InvalidSignatureException")


def test_a_body_is_ignored_if_no_member_is_in_the_body(aws: Aws) -> None:
    assert aws.request("GET", TASKS, content=b"\xff not json").status_code == 200


def test_a_request_without_an_authorization_header_is_refused(aws: Aws) -> None:
    response = http_requests.get(aws.url + TASKS)
    assert code(response) == (403, "MissingAuthenticationTokenException")
    assert response.json() == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize(
    "header",
    ["", "Basic eDp5", "AWS4-HMAC-SHA256", authorization()[:-1], authorization().replace("aws4_request", "aws4")],
)
def test_a_malformed_authorization_header_is_refused(aws: Aws, header: str) -> None:
    response = http_requests.get(aws.url + TASKS, headers={"authorization": header})
    assert code(response) == (403, "IncompleteSignatureException")


def test_an_unsigned_request_to_the_root_is_refused_in_the_xml_of_sts(aws: Aws) -> None:
    response = http_requests.post(aws.url, data={"Action": "GetCallerIdentity"})
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (403, "text/xml")
    assert "<Code>MissingAuthenticationToken</Code>" in response.text


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
