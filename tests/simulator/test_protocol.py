from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.simulator.served_scenario import ACCOUNTS, REGION, Aws, authorization, simulated
from tests.support import http_requests

SCENARIO = f"""{ACCOUNTS}
operations:
  - {{kind: thing_registration_task, id: "a/b+c%", region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
"""
TASKS = "/thing-registration-tasks"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with simulated(SCENARIO) as served:
        yield served


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["x-amzn-errortype"]


def test_an_id_is_percent_decoded(aws: Aws) -> None:
    assert aws.client("iot").describe_thing_registration_task(taskId="a/b+c%")["taskId"] == "a/b+c%"


def test_every_answer_names_its_request(aws: Aws) -> None:
    ids = {aws.raw("GET", TASKS).headers["x-amzn-requestid"] for _ in range(2)}
    assert len({uuid.UUID(id) for id in ids}) == 2


def test_an_id_of_41_characters_is_refused(aws: Aws) -> None:
    client = aws.client("iot")
    with pytest.raises(client.exceptions.InvalidRequestException, match="less than or equal to 40"):
        client.describe_thing_registration_task(taskId="x" * 41)


def test_an_empty_id_meets_the_list_whose_answer_boto3_takes_for_an_empty_task(aws: Aws) -> None:
    answer = aws.client("iot").describe_thing_registration_task(taskId="")
    assert answer.keys() == {"ResponseMetadata"}


def test_an_unknown_id_is_not_found_with_the_error_of_the_model(aws: Aws) -> None:
    client = aws.client("iot")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_thing_registration_task(taskId="nobody")


def test_an_unknown_id_of_greengrass_v1_is_not_found_although_no_model_says_so(aws: Aws) -> None:
    answer = aws.raw("GET", "/greengrass/bulk/deployments/nobody/status", "greengrass")
    assert code(answer) == (404, "IdNotFoundException")
    assert answer.json().keys() == {"Message"}


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
def test_what_no_kind_calls_is_an_unknown_operation(aws: Aws, method: str, path: str, service: str) -> None:
    assert code(aws.raw(method, path, service)) == (404, "UnknownOperationException")


def test_head_is_an_unknown_operation_without_a_body(aws: Aws) -> None:
    answer = aws.raw("HEAD", TASKS)
    assert (code(answer), answer.content) == ((404, "UnknownOperationException"), b"")


def test_a_service_that_is_not_simulated_is_refused(aws: Aws) -> None:
    assert code(aws.raw("GET", "/bucket", "s3")) == (403, "InvalidSignatureException")


def test_a_body_that_no_member_asks_for_is_ignored(aws: Aws) -> None:
    assert aws.raw("GET", TASKS, content=b"\xff not json").status_code == 200


def test_a_request_without_an_authorization_header_is_refused(aws: Aws) -> None:
    answer = http_requests.get(aws.url + TASKS)
    assert code(answer) == (403, "MissingAuthenticationTokenException")
    assert answer.json() == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize(
    "header",
    ["", "Basic eDp5", "AWS4-HMAC-SHA256", authorization()[:-1], authorization().replace("aws4_request", "aws4")],
)
def test_a_malformed_authorization_header_is_refused(aws: Aws, header: str) -> None:
    answer = http_requests.get(aws.url + TASKS, headers={"authorization": header})
    assert code(answer) == (403, "IncompleteSignatureException")


def test_an_unsigned_request_to_the_root_is_refused_in_the_xml_of_sts(aws: Aws) -> None:
    answer = http_requests.post(aws.url, data={"Action": "GetCallerIdentity"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (403, "text/xml")
    assert "<Code>MissingAuthenticationToken</Code>" in answer.text
