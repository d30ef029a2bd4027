"""Faults that replace, edit or delay a response, or change how it is sent."""

import socket
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.simulator.served_scenario import (
    ACCOUNT,
    ACCOUNTS,
    OTHER_ACCOUNT,
    REGION,
    START,
    Aws,
    authorization,
    error_of,
    serve_scenario,
)
from tests.support.waiting import TIMEOUT_SECONDS

SCENARIO = f"""{ACCOUNTS}
quotas: false
operations:
  - &task {{kind: thing_registration_task, id: one, region: {REGION}, timeline: [{{at: 0s, status: InProgress}}]}}
  - {{<<: *task, id: two}}
  - &job {{kind: iot_job, id: one, region: {REGION}, timeline: [{{at: 0s, status: SCHEDULED}}]}}
  - {{<<: *job, id: two}}
faults:
"""
TASKS = "/thing-registration-tasks"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"


def serve_faults(*faults: str) -> AbstractContextManager[Aws]:
    return serve_scenario(SCENARIO + "".join(f"  - {{{fault}}}\n" for fault in faults))


def status(aws: Aws, path: str = TASKS, region: str = REGION) -> int:
    return aws.request("GET", path, region=region).status_code


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


def test_an_error_has_the_format_of_the_service() -> None:
    fault = "api: DescribeThingRegistrationTask, error: AccessDeniedException, status: 403, message: Go away."
    with serve_faults(fault) as aws:
        client = aws.client("iot")
        error = error_of(client.describe_thing_registration_task, r"Go away\.", taskId="one")
        assert error == ("AccessDeniedException", 403)
        assert client.list_thing_registration_tasks()["taskIds"] == ["one", "two"]


def test_an_error_of_sts_is_xml() -> None:
    with serve_faults("service: sts, error: RegionDisabledException, status: 403") as aws:
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
    with serve_faults(fault) as aws:
        response = aws.request("GET", TASKS)
    assert (response.status_code, response.text, response.headers["content-type"]) == (200, body, content_type)


@pytest.mark.parametrize("cut", [0, 10])
def test_a_cut_response_announces_more_bytes_than_it_sends(cut: int) -> None:
    with serve_faults(f"cut: {cut}") as aws:
        received: list[bytes] = []
        headers = {"authorization": authorization()}
        with httpx.stream("GET", aws.url + TASKS, headers=headers, timeout=TIMEOUT_SECONDS) as response:
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(response.iter_raw())
            assert response.headers["content-length"] == "27"
        assert b"".join(received) == b'{"taskIds": ["one", "two"]}'[:cut]


def test_a_delay_precedes_the_normal_response() -> None:
    with serve_faults("delay: 2s, id: one") as aws:
        assert status(aws) == 200
        with pytest.raises(httpx.ReadTimeout):
            aws.request("GET", f"{TASKS}/one", timeout=httpx.Timeout(5, read=0.1))
        assert get_json(aws, f"{TASKS}/one")["taskId"] == "one"


def test_latency_delays_every_response() -> None:
    with serve_scenario(f"{ACCOUNTS}latency: 2s") as aws:
        with pytest.raises(httpx.ReadTimeout):
            aws.request("GET", TASKS, timeout=httpx.Timeout(5, read=0.1))
        assert status(aws) == 200


def test_a_fault_has_a_start_and_an_end() -> None:
    with serve_faults("from: 10s, until: 20s, error: InternalFailureException, status: 500") as aws:
        statuses = []
        for after in (9.9, 10, 19.9, 20):
            aws.clock.at = START + after
            statuses.append(status(aws))
        assert statuses == [200, 500, 500, 200]


def test_a_share_of_the_requests_is_spread_evenly() -> None:
    with serve_faults("share: 0.25, error: E, status: 503") as aws:
        assert [status(aws) for _ in range(8)] == [200, 200, 200, 503] * 2


def test_the_first_matching_fault_is_used() -> None:
    with serve_faults(
        f'account: "{OTHER_ACCOUNT}", error: E, status: 501',
        "region: us-east-1, error: E, status: 502",
        "service: greengrass, error: E, status: 503",
        "id: one, error: E, status: 504",
        f'account: "{ACCOUNT}", region: {REGION}, service: iot, api: ListThingRegistrationTasks, error: E, status: 505',
    ) as aws:
        assert status(aws) == 505
        assert status(aws, region="us-east-1") == 502
        assert [status(aws, f"{TASKS}/{id}") for id in ("one", "two")] == [504, 200]
        assert aws.request("GET", "/greengrass/bulk/deployments", "greengrass").status_code == 503


def test_a_fault_for_one_role_does_not_affect_other_roles() -> None:
    with serve_faults(f'api: AssumeRole, id: "{ROLE}", error: AccessDenied, status: 403') as aws:
        sts = aws.client("sts")
        assert error_of(sts.assume_role, RoleArn=ROLE, RoleSessionName="session") == ("AccessDenied", 403)
        role_arn = f"arn:aws:iam::{ACCOUNT}:role/exporter"
        assert sts.assume_role(RoleArn=role_arn, RoleSessionName="session")["Credentials"]


def test_members_of_a_response_are_replaced_added_and_removed() -> None:
    values = "{job.status: null, job.targets.*: 7, job.tomorrow: {a: [1]}, no.such: 1}"
    with serve_faults(f"replace: {values}, remove: [job.createdAt, x.y]") as aws:
        job = get_json(aws, "/jobs/one")["job"]
    assert (job["status"], job["targets"], job["tomorrow"]) == (None, [7], {"a": [1]})
    assert ("createdAt" in job, job["jobId"]) == (False, "one")


def test_members_of_every_entry_of_a_list_are_replaced() -> None:
    with serve_faults("replace: {jobs.*.status: {}, jobs.*.jobArn: -1}") as aws:
        jobs = get_json(aws, "/jobs")["jobs"]
    assert [(job["jobId"], job["status"], job["jobArn"]) for job in jobs] == [("one", {}, -1), ("two", {}, -1)]


def test_the_entries_of_a_list_are_doubled() -> None:
    with serve_faults("double: [jobs, nextToken, no.such]") as aws:
        assert [job["jobId"] for job in get_json(aws, "/jobs")["jobs"]] == ["one", "two"] * 2


def test_an_error_is_not_edited() -> None:
    with serve_faults("replace: {message: 7}") as aws:
        response = aws.request("GET", "/jobs/none")
    assert (response.status_code, response.json()["message"]) == (404, "The job none does not exist.")


@pytest.mark.parametrize(("mode", "tokens"), [("repeated", ["again"] * 3), ("endless", ["1", "2", "3"])])
def test_a_list_never_ends(mode: str, tokens: list[str]) -> None:
    with serve_faults(f"pages: {mode}") as aws:
        found, parameters = [], dict[str, str]()
        for _ in tokens:
            page = get_json(aws, "/jobs", **parameters)
            assert [job["jobId"] for job in page["jobs"]] == ["one", "two"]
            parameters = {"nextToken": page["nextToken"]}
            found.append(page["nextToken"])
        assert found == tokens
        assert get_json(aws, "/jobs/one")["job"]["jobId"] == "one"


def test_headers_are_added_to_any_response() -> None:
    throttling = 'error: ThrottlingException, status: 429, id: one, headers: {Retry-After: "30"}'
    with serve_faults(throttling, "headers: {X-A: b}") as aws:
        throttled, normal = aws.request("GET", "/jobs/one"), aws.request("GET", "/jobs/two")
    assert (throttled.headers["retry-after"], throttled.headers["x-amzn-errortype"]) == ("30", "ThrottlingException")
    assert (normal.status_code, normal.headers["x-a"], normal.json()["job"]["jobId"]) == (200, "b", "two")


def test_a_response_hangs_before_its_head_until_the_client_disconnects() -> None:
    with serve_faults("hang: head, id: one") as aws:
        assert read_until_timeout(aws, "/jobs/one", 0.3) == b""
        assert get_json(aws, "/jobs/two")["job"]["jobId"] == "two"


def test_a_response_hangs_in_its_body() -> None:
    with serve_faults("hang: body, id: one") as aws:
        # Longer, because a busy machine may send the head and the half body late.
        head, _, body = read_until_timeout(aws, "/jobs/one", 3.0).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    announced = int(head.lower().split(b"content-length: ")[1].split()[0])
    assert len(body) == announced // 2


def test_a_response_is_sent_slowly() -> None:
    headers = {"authorization": authorization()}
    with (
        serve_faults("drip: 400, api: ListJobs") as aws,
        httpx.stream("GET", f"{aws.url}/jobs", headers=headers, timeout=TIMEOUT_SECONDS) as response,
    ):
        parts = list(response.iter_raw())
    assert len(parts) > 3
    assert max(map(len, parts[:-1])) < int(response.headers["content-length"]) == len(b"".join(parts))


@pytest.mark.parametrize(("skew", "message"), [("1h", "Signature expired"), ("-1h", "Signature not yet current")])
def test_a_clock_skew_is_reported_in_each_protocol(skew: str, message: str) -> None:
    with serve_faults(f"skew: {skew}") as aws:
        assert error_of(aws.client("iot").list_jobs, message)[0] == "InvalidSignatureException"
        assert error_of(aws.client("sts").get_caller_identity, message)[0] == "SignatureDoesNotMatch"


def test_the_error_for_a_clock_skew_contains_both_times() -> None:
    with serve_faults("skew: 1h") as aws:
        message = aws.request("GET", "/jobs", headers={"x-amz-date": "20261122T100000Z"}).json()["message"]
        assert message == (
            "Signature expired: 20261122T100000Z is now earlier than 20261122T105500Z (20261122T110000Z - 5 min.)"
        )
        assert aws.request("GET", "/jobs").headers["x-amzn-errortype"] == "IncompleteSignatureException"
