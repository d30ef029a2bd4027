"""Faults that change a true answer, or how it leaves."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT, REGION, Aws, authorization, simulated

SCENARIO = f"""{ACCOUNTS}
quotas: false
operations:
  - &job {{kind: iot_job, id: one, region: {REGION}, timeline: [{{at: 0s, status: SCHEDULED}}]}}
  - {{<<: *job, id: two}}
faults:
"""
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"
SHORT = httpx.Timeout(5, read=0.3)


def fetched(aws: Aws, path: str, **params: str) -> Any:
    answer = aws.raw("GET", path, params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def received(aws: Aws, path: str) -> bytes:
    """Return what comes before the client has waited too long, head and body."""
    address = urlsplit(aws.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=0.3) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization()}\r\n\r\n".encode())
        found = b""
        try:
            while part := connection.recv(4096):
                found += part
        except TimeoutError:
            return found
    raise AssertionError("the connection ended")


def test_members_of_the_true_answer_are_replaced_added_and_removed() -> None:
    values = "{job.status: null, job.targets.*: 7, job.tomorrow: {a: [1]}, no.such: 1}"
    with simulated(SCENARIO + f"  - {{replace: {values}, remove: [job.createdAt, x.y]}}") as aws:
        job = fetched(aws, "/jobs/one")["job"]
    assert (job["status"], job["targets"], job["tomorrow"]) == (None, [7], {"a": [1]})
    assert ("createdAt" in job, job["jobId"]) == (False, "one")


def test_members_of_every_entry_of_a_list_are_replaced() -> None:
    with simulated(SCENARIO + "  - {replace: {jobs.*.status: {}, jobs.*.jobArn: -1}}") as aws:
        jobs = fetched(aws, "/jobs")["jobs"]
    assert [(job["jobId"], job["status"], job["jobArn"]) for job in jobs] == [("one", {}, -1), ("two", {}, -1)]


def test_the_entries_of_a_list_come_twice() -> None:
    with simulated(SCENARIO + "  - {double: [jobs, nextToken, no.such]}") as aws:
        assert [job["jobId"] for job in fetched(aws, "/jobs")["jobs"]] == ["one", "two"] * 2


def test_a_refusal_is_not_edited() -> None:
    with simulated(SCENARIO + "  - {replace: {message: 7}}") as aws:
        answer = aws.raw("GET", "/jobs/none")
    assert (answer.status_code, answer.json()["message"]) == (404, "The job none does not exist.")


@pytest.mark.parametrize(("way", "tokens"), [("repeated", ["again"] * 3), ("endless", ["1", "2", "3"])])
def test_a_list_never_ends(way: str, tokens: list[str]) -> None:
    with simulated(SCENARIO + f"  - {{pages: {way}}}") as aws:
        found, asked = [], dict[str, str]()
        for _ in tokens:
            page = fetched(aws, "/jobs", **asked)
            assert [job["jobId"] for job in page["jobs"]] == ["one", "two"]
            asked = {"nextToken": page["nextToken"]}
            found.append(page["nextToken"])
        assert found == tokens
        assert fetched(aws, "/jobs/one")["job"]["jobId"] == "one"


def test_headers_go_with_any_answer() -> None:
    faults = (
        '  - {error: ThrottlingException, status: 429, id: one, headers: {Retry-After: "30"}}\n  - {headers: {X-A: b}}'
    )
    with simulated(SCENARIO + faults) as aws:
        throttled, fine = aws.raw("GET", "/jobs/one"), aws.raw("GET", "/jobs/two")
    assert (throttled.headers["retry-after"], throttled.headers["x-amzn-errortype"]) == ("30", "ThrottlingException")
    assert (fine.status_code, fine.headers["x-a"], fine.json()["job"]["jobId"]) == (200, "b", "two")


def test_an_answer_hangs_before_its_head_until_the_client_leaves() -> None:
    with simulated(SCENARIO + "  - {hang: head, id: one}") as aws:
        assert received(aws, "/jobs/one") == b""
        assert fetched(aws, "/jobs/two")["job"]["jobId"] == "two"


def test_an_answer_hangs_in_its_body() -> None:
    with simulated(SCENARIO + "  - {hang: body, id: one}") as aws:
        head, _, body = received(aws, "/jobs/one").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    announced = int(head.lower().split(b"content-length: ")[1].split()[0])
    assert len(body) == announced // 2


def test_an_answer_drips() -> None:
    with simulated(SCENARIO + "  - {drip: 400, api: ListJobs}") as aws:
        parts: list[bytes] = []
        with httpx.stream("GET", f"{aws.url}/jobs", headers={"authorization": authorization()}) as answer:
            parts.extend(answer.iter_raw())
    assert len(parts) > 3
    assert max(map(len, parts[:-1])) < int(answer.headers["content-length"])
    assert len(b"".join(parts)) == int(answer.headers["content-length"])


@pytest.mark.parametrize(("skew", "said"), [("1h", "Signature expired"), ("-1h", "Signature not yet current")])
def test_a_wrong_clock_is_told_as_each_protocol_does(skew: str, said: str) -> None:
    with simulated(SCENARIO + f"  - {{skew: {skew}}}") as aws:
        with pytest.raises(ClientError, match=said) as caught:
            aws.client("iot").list_jobs()
        assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
        with pytest.raises(ClientError, match=said) as caught:
            aws.client("sts").get_caller_identity()
        assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_the_answer_to_a_wrong_clock_names_both_times() -> None:
    with simulated(SCENARIO + "  - {skew: 1h}") as aws:
        said = aws.raw("GET", "/jobs", headers={"x-amz-date": "20261122T100000Z"}).json()["message"]
        assert said == (
            "Signature expired: 20261122T100000Z is now earlier than 20261122T105500Z (20261122T110000Z - 5 min.)"
        )
        assert aws.raw("GET", "/jobs").headers["x-amzn-errortype"] == "IncompleteSignatureException"


def test_a_fault_of_one_role_leaves_the_other_roles_alone() -> None:
    with simulated(SCENARIO + f'  - {{api: AssumeRole, id: "{ROLE}", error: AccessDenied, status: 403}}') as aws:
        sts = aws.client("sts")
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=ROLE, RoleSessionName="session")
        other = f"arn:aws:iam::{ACCOUNT}:role/exporter"
        assert sts.assume_role(RoleArn=other, RoleSessionName="session")["Credentials"]
