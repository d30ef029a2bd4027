"""Operations by other names than their ids, and operations that show up as those of another kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT, REGION, START, Aws, simulated

TARGET = f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/cores"
DEPLOYMENTS = f"""
  - {{kind: greengrass_deployment, id: moves, region: {REGION}, items: 100, name: edge, target: "{TARGET}",
     created: -1h, tags: {{team: edge}}, continuous: true,
     timeline: [{{at: 0s, status: ACTIVE, done: 0.5, failed: 0.1}}, {{at: 2h, status: COMPLETED, done: 1.0}}]}}
  - {{kind: greengrass_deployment, id: jobless, region: {REGION}, timeline: [{{at: 0s, status: FAILED}}]}}
  - {{kind: greengrass_deployment, id: cancelled, region: {REGION}, created: -3h,
     timeline: [{{at: 0s, status: ACTIVE}}, {{at: 1h, status: CANCELED}}]}}
  - {{kind: greengrass_deployment, id: later, region: {REGION}, created: 1h, timeline: [{{at: 0s, status: ACTIVE}}]}}
  - {{kind: greengrass_deployment, id: elsewhere, region: us-east-1, timeline: [{{at: 0s, status: ACTIVE}}]}}
"""
JOBS = f"""
  - {{kind: iot_job, id: scheduled, region: {REGION}, created: -2h, timeline: [{{at: 0s, status: SCHEDULED}}]}}
  - {{kind: iot_job, id: runs, region: {REGION}, created: -1h, timeline: [{{at: 0s, status: IN_PROGRESS}}],
     tags: {{{", ".join(f"tag-{number:02}: '{number}'" for number in range(60))}}}}}
"""
SCENARIO = f"{ACCOUNTS}quotas: false\noperations:{DEPLOYMENTS}{JOBS}"
BY_NAME = {kind.name: kind for kind in KINDS}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def arn(job: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:iot:{region}:{account}:job/{job}"


def job_of(aws: Aws, deployment: str, region: str = REGION) -> str:
    id: str = aws.client("greengrassv2", region).get_deployment(deploymentId=deployment)["iotJobId"]
    return id


def listed(aws: Aws, **parameters: Any) -> list[str]:
    pages = aws.client("iot").get_paginator("list_jobs").paginate(**parameters)
    return [job["jobId"] for page in pages for job in page["jobs"]]


def test_the_job_of_a_deployment_is_described_as_a_job(aws: Aws) -> None:
    deployment = aws.client("greengrassv2").get_deployment(deploymentId="moves")
    described = aws.client("iot").describe_job(jobId=deployment["iotJobId"])["job"]
    assert UUID.fullmatch(deployment["iotJobId"])
    assert described["jobArn"] == deployment["iotJobArn"] == arn(deployment["iotJobId"])
    assert (described["jobId"], described["status"]) == (deployment["iotJobId"], "IN_PROGRESS")
    assert (described["targets"], described["targetSelection"]) == ([TARGET], "CONTINUOUS")
    details = described["jobProcessDetails"]
    assert (details["numberOfSucceededThings"], details["numberOfQueuedThings"]) == (65, 23)


def test_a_list_of_jobs_holds_those_of_deployments_by_their_status_as_a_job(aws: Aws) -> None:
    moves, cancelled = job_of(aws, "moves"), job_of(aws, "cancelled")
    assert listed(aws) == [moves, "runs", "scheduled", cancelled]
    assert listed(aws, status="IN_PROGRESS") == [moves, "runs"]
    assert listed(aws, status="CANCELED") == [cancelled]
    assert listed(aws, status="COMPLETED") == []
    aws.clock.seconds = START + 3600
    assert listed(aws, status="COMPLETED") == [moves]


def test_pages_of_such_a_list_hold_each_job_once_whatever_comes_or_ends_between_them(aws: Aws) -> None:
    whole = listed(aws)
    client, found, token = aws.client("iot"), list[str](), dict[str, str]()
    for second in range(4):
        page = client.list_jobs(maxResults=1, **token)
        found += [job["jobId"] for job in page["jobs"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
        aws.clock.seconds = START + 3600 * (second + 1)
    assert (found, token) == (whole, {})
    assert len(listed(aws)) == 5


def test_tags_are_asked_for_by_an_arn_and_a_deployment_s_job_has_those_of_the_deployment(aws: Aws) -> None:
    client = aws.client("iot")
    tags = client.list_tags_for_resource(resourceArn=arn(job_of(aws, "moves")))["tags"]
    assert tags == [{"Key": "team", "Value": "edge"}]
    assert client.list_tags_for_resource(resourceArn=arn("scheduled"))["tags"] == []


def test_tags_come_page_by_page_although_nobody_may_ask_for_a_size(aws: Aws) -> None:
    pages = list(aws.client("iot").get_paginator("list_tags_for_resource").paginate(resourceArn=arn("runs")))
    assert [len(page["tags"]) for page in pages] == [50, 10]
    assert len({tag["Key"] for page in pages for tag in page["tags"]}) == 60


@pytest.mark.parametrize(
    "unknown",
    [
        arn("nobody"),
        arn("moves"),
        arn("runs", region="us-east-1"),
        arn("runs", account=OTHER_ACCOUNT),
        "runs",
        "arn:aws:iot:eu-west-1:111122223333:thing/runs",
        "",
    ],
)
def test_an_arn_of_nothing_here_is_not_found(aws: Aws, unknown: str) -> None:
    answer = aws.raw("GET", "/tags", params={"resourceArn": unknown})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert answer.json() == {"message": f"The resource {unknown} does not exist."}


def test_a_request_that_names_no_resource_is_refused(aws: Aws) -> None:
    answer = aws.raw("GET", "/tags")
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")


def test_a_deployment_that_failed_has_no_job(aws: Aws) -> None:
    answer = aws.client("greengrassv2").get_deployment(deploymentId="jobless")
    assert answer.keys() & {"iotJobId", "iotJobArn"} == set()


def test_the_job_of_a_deployment_is_known_in_its_region_alone_and_not_before_the_deployment(aws: Aws) -> None:
    client = aws.client("iot")
    aws.clock.seconds = START + 3600
    jobs = {"us-east-1": job_of(aws, "elsewhere", "us-east-1"), REGION: job_of(aws, "later")}
    aws.clock.seconds = START
    for region, job in jobs.items():
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.describe_job(jobId=job)
        assert job not in listed(aws), region
    assert aws.client("iot", "us-east-1").describe_job(jobId=jobs["us-east-1"])["job"]["jobId"] == jobs["us-east-1"]


def test_without_the_kind_of_jobs_a_deployment_s_job_is_described_and_no_job_is_listed() -> None:
    only = (BY_NAME["greengrass_deployment"],)
    with simulated(f"{ACCOUNTS}operations:{DEPLOYMENTS}", only) as aws:
        job = job_of(aws, "moves")
        assert aws.client("iot").describe_job(jobId=job)["job"]["jobId"] == job
        assert aws.raw("GET", "/jobs").headers["x-amzn-errortype"] == "UnknownOperationException"


def test_without_the_kind_of_deployments_jobs_are_those_of_jobs() -> None:
    with simulated(f"{ACCOUNTS}operations:{JOBS}", (BY_NAME["iot_job"],)) as aws:
        assert listed(aws) == ["runs", "scheduled"]
        assert aws.client("iot").describe_job(jobId="runs")["job"]["status"] == "IN_PROGRESS"


@pytest.fixture
def faulty() -> Iterator[Aws]:
    with simulated(
        f"{SCENARIO}faults: [{{id: moves, error: E, status: 500}}, {{id: runs, error: E, status: 501}}]"
    ) as aws:
        yield aws


def test_a_fault_of_an_id_meets_every_call_about_that_operation_however_it_is_named(faulty: Aws) -> None:
    with simulated(SCENARIO) as aws:
        job = job_of(aws, "moves")
    paths = ("/greengrass/v2/deployments/moves", f"/jobs/{job}", f"/tags?resourceArn={arn(job)}")
    services = ("greengrass", "iot", "iot")
    assert [faulty.raw("GET", *asked).status_code for asked in zip(paths, services, strict=True)] == [500] * 3
    assert faulty.raw("GET", "/jobs/runs").status_code == 501
    assert faulty.raw("GET", "/tags", params={"resourceArn": arn("runs")}).status_code == 501
    assert faulty.raw("GET", "/tags", params={"resourceArn": arn("scheduled")}).status_code == 200
    assert listed(faulty)[0] == job


def test_a_fault_may_name_what_is_no_operation_here_as_the_request_does() -> None:
    fault = f"{{id: '{arn('nobody')}', error: E, status: 500}}"
    with simulated(f"{SCENARIO}faults: [{fault}, {{id: nobody, error: E, status: 501}}]") as aws:
        assert aws.raw("GET", "/tags", params={"resourceArn": arn("nobody")}).status_code == 500
        assert aws.raw("GET", "/jobs/nobody").status_code == 501
