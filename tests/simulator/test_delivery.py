"""Faults that edit a response or change how it is sent."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT, REGION, Aws, authorization, serve_scenario

SCENARIO = f"""{ACCOUNTS}
quotas: false
operations:
  - &job {{kind: iot_job, id: one, region: {REGION}, timeline: [{{at: 0s, status: SCHEDULED}}]}}
  - {{<<: *job, id: two}}
faults:
"""
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"


def get_json(aws: Aws, path: str, **params: str) -> Any:
    response = aws.request("GET", path, params=params)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    return response.json()


def read_until_timeout(aws: Aws, path: str, timeout: float) -> bytes:
    """Return the head and the body that arrive before the time-out of the client."""
    address = urlsplit(aws.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=timeout) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization()}\r\n\r\n".encode())
        received = b""
        try:
            while part := connection.recv(4096):
                received += part
        except TimeoutError:
            return received
    raise AssertionError("the simulator closed the connection")


def test_members_of_a_response_are_replaced_added_and_removed() -> None:
    values = "{job.status: null, job.targets.*: 7, job.tomorrow: {a: [1]}, no.such: 1}"
    with serve_scenario(SCENARIO + f"  - {{replace: {values}, remove: [job.createdAt, x.y]}}") as aws:
        job = get_json(aws, "/jobs/one")["job"]
    assert (job["status"], job["targets"], job["tomorrow"]) == (None, [7], {"a": [1]})
    assert ("createdAt" in job, job["jobId"]) == (False, "one")


def test_members_of_every_entry_of_a_list_are_replaced() -> None:
    with serve_scenario(SCENARIO + "  - {replace: {jobs.*.status: {}, jobs.*.jobArn: -1}}") as aws:
        jobs = get_json(aws, "/jobs")["jobs"]
    assert [(job["jobId"], job["status"], job["jobArn"]) for job in jobs] == [("one", {}, -1), ("two", {}, -1)]


def test_the_entries_of_a_list_are_doubled() -> None:
    with serve_scenario(SCENARIO + "  - {double: [jobs, nextToken, no.such]}") as aws:
        assert [job["jobId"] for job in get_json(aws, "/jobs")["jobs"]] == ["one", "two"] * 2


def test_an_error_is_not_edited() -> None:
    with serve_scenario(SCENARIO + "  - {replace: {message: 7}}") as aws:
        response = aws.request("GET", "/jobs/none")
    assert (response.status_code, response.json()["message"]) == (404, "The job none does not exist.")


@pytest.mark.parametrize(("mode", "tokens"), [("repeated", ["again"] * 3), ("endless", ["1", "2", "3"])])
def test_a_list_never_ends(mode: str, tokens: list[str]) -> None:
    with serve_scenario(SCENARIO + f"  - {{pages: {mode}}}") as aws:
        found, parameters = [], dict[str, str]()
        for _ in tokens:
            page = get_json(aws, "/jobs", **parameters)
            assert [job["jobId"] for job in page["jobs"]] == ["one", "two"]
            parameters = {"nextToken": page["nextToken"]}
            found.append(page["nextToken"])
        assert found == tokens
        assert get_json(aws, "/jobs/one")["job"]["jobId"] == "one"


def test_headers_are_added_to_any_response() -> None:
    faults = (
        '  - {error: ThrottlingException, status: 429, id: one, headers: {Retry-After: "30"}}\n  - {headers: {X-A: b}}'
    )
    with serve_scenario(SCENARIO + faults) as aws:
        throttled, normal = aws.request("GET", "/jobs/one"), aws.request("GET", "/jobs/two")
    assert (throttled.headers["retry-after"], throttled.headers["x-amzn-errortype"]) == ("30", "ThrottlingException")
    assert (normal.status_code, normal.headers["x-a"], normal.json()["job"]["jobId"]) == (200, "b", "two")


def test_a_response_hangs_before_its_head_until_the_client_disconnects() -> None:
    with serve_scenario(SCENARIO + "  - {hang: head, id: one}") as aws:
        assert read_until_timeout(aws, "/jobs/one", 0.3) == b""
        assert get_json(aws, "/jobs/two")["job"]["jobId"] == "two"


def test_a_response_hangs_in_its_body() -> None:
    with serve_scenario(SCENARIO + "  - {hang: body, id: one}") as aws:
        # Longer, because a busy machine may send the head and the half body late.
        head, _, body = read_until_timeout(aws, "/jobs/one", 3.0).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    announced = int(head.lower().split(b"content-length: ")[1].split()[0])
    assert len(body) == announced // 2


def test_a_response_is_sent_slowly() -> None:
    with serve_scenario(SCENARIO + "  - {drip: 400, api: ListJobs}") as aws:
        parts: list[bytes] = []
        with httpx.stream("GET", f"{aws.url}/jobs", headers={"authorization": authorization()}) as response:
            parts.extend(response.iter_raw())
    assert len(parts) > 3
    assert max(map(len, parts[:-1])) < int(response.headers["content-length"])
    assert len(b"".join(parts)) == int(response.headers["content-length"])


@pytest.mark.parametrize(("skew", "message"), [("1h", "Signature expired"), ("-1h", "Signature not yet current")])
def test_a_clock_skew_is_reported_in_each_protocol(skew: str, message: str) -> None:
    with serve_scenario(SCENARIO + f"  - {{skew: {skew}}}") as aws:
        with pytest.raises(ClientError, match=message) as caught:
            aws.client("iot").list_jobs()
        assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
        with pytest.raises(ClientError, match=message) as caught:
            aws.client("sts").get_caller_identity()
        assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_the_error_for_a_clock_skew_contains_both_times() -> None:
    with serve_scenario(SCENARIO + "  - {skew: 1h}") as aws:
        message = aws.request("GET", "/jobs", headers={"x-amz-date": "20261122T100000Z"}).json()["message"]
        assert message == (
            "Signature expired: 20261122T100000Z is now earlier than 20261122T105500Z (20261122T110000Z - 5 min.)"
        )
        assert aws.request("GET", "/jobs").headers["x-amzn-errortype"] == "IncompleteSignatureException"


def test_a_fault_for_one_role_does_not_affect_other_roles() -> None:
    with serve_scenario(SCENARIO + f'  - {{api: AssumeRole, id: "{ROLE}", error: AccessDenied, status: 403}}') as aws:
        sts = aws.client("sts")
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=ROLE, RoleSessionName="session")
        other = f"arn:aws:iam::{ACCOUNT}:role/exporter"
        assert sts.assume_role(RoleArn=other, RoleSessionName="session")["Credentials"]
