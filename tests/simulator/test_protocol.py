import uuid

import httpx
import pytest

from tests.simulator.served_scenario import ACCOUNTS, REGION, Aws, authorization
from tests.support import http_requests

SCENARIO = f"""{ACCOUNTS}
operations:
  - {{kind: thing_registration_task, id: "a/b+c%", region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
"""
TASKS = "/thing-registration-tasks"


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
