"""Operations with other names than their ids, and operations that another kind also lists."""

import re
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT, REGION, START, Aws, serve_scenario

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


def job_ids(aws: Aws, **parameters: Any) -> list[str]:
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


def test_a_list_of_jobs_contains_the_jobs_of_deployments_with_their_job_status(aws: Aws) -> None:
    moves, cancelled = job_of(aws, "moves"), job_of(aws, "cancelled")
    assert job_ids(aws) == [moves, "runs", "scheduled", cancelled]
    assert job_ids(aws, status="IN_PROGRESS") == [moves, "runs"]
    assert job_ids(aws, status="CANCELED") == [cancelled]
    assert job_ids(aws, status="COMPLETED") == []
    aws.clock.at = START + 3600
    assert job_ids(aws, status="COMPLETED") == [moves]


def test_the_pages_contain_each_job_once_although_jobs_appear_and_end(aws: Aws) -> None:
    all_jobs = job_ids(aws)
    client, found, token = aws.client("iot"), list[str](), dict[str, str]()
    for second in range(4):
        page = client.list_jobs(maxResults=1, **token)
        found += [job["jobId"] for job in page["jobs"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
        aws.clock.at = START + 3600 * (second + 1)
    assert (found, token) == (all_jobs, {})
    assert len(job_ids(aws)) == 5


def test_tags_are_read_by_arn_and_the_job_of_a_deployment_has_its_tags(aws: Aws) -> None:
    client = aws.client("iot")
    tags = client.list_tags_for_resource(resourceArn=arn(job_of(aws, "moves")))["tags"]
    assert tags == [{"Key": "team", "Value": "edge"}]
    assert client.list_tags_for_resource(resourceArn=arn("scheduled"))["tags"] == []


def test_tags_have_pages_without_a_limit_parameter(aws: Aws) -> None:
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
def test_an_unknown_arn_is_not_found(aws: Aws, unknown: str) -> None:
    response = aws.request("GET", "/tags", params={"resourceArn": unknown})
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert response.json() == {"message": f"The resource {unknown} does not exist."}


def test_a_request_without_a_resource_is_refused(aws: Aws) -> None:
    response = aws.request("GET", "/tags")
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")


def test_a_deployment_that_failed_has_no_job(aws: Aws) -> None:
    response = aws.client("greengrassv2").get_deployment(deploymentId="jobless")
    assert response.keys() & {"iotJobId", "iotJobArn"} == set()


def test_the_job_of_a_deployment_exists_only_in_its_region_and_not_before_the_deployment(aws: Aws) -> None:
    client = aws.client("iot")
    aws.clock.at = START + 3600
    jobs = {"us-east-1": job_of(aws, "elsewhere", "us-east-1"), REGION: job_of(aws, "later")}
    aws.clock.at = START
    for region, job in jobs.items():
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.describe_job(jobId=job)
        assert job not in job_ids(aws), region
    assert aws.client("iot", "us-east-1").describe_job(jobId=jobs["us-east-1"])["job"]["jobId"] == jobs["us-east-1"]


def test_without_the_kind_iot_job_the_job_of_a_deployment_is_described_but_not_listed() -> None:
    kinds = (BY_NAME["greengrass_deployment"],)
    with serve_scenario(f"{ACCOUNTS}operations:{DEPLOYMENTS}", kinds) as aws:
        job = job_of(aws, "moves")
        assert aws.client("iot").describe_job(jobId=job)["job"]["jobId"] == job
        assert aws.request("GET", "/jobs").headers["x-amzn-errortype"] == "UnknownOperationException"


def test_without_the_kind_greengrass_deployment_only_jobs_are_listed() -> None:
    with serve_scenario(f"{ACCOUNTS}operations:{JOBS}", (BY_NAME["iot_job"],)) as aws:
        assert job_ids(aws) == ["runs", "scheduled"]
        assert aws.client("iot").describe_job(jobId="runs")["job"]["status"] == "IN_PROGRESS"


def status_of_tags(aws: Aws, job: str) -> int:
    return aws.request("GET", "/tags", params={"resourceArn": arn(job)}).status_code


def test_a_fault_with_an_id_affects_every_call_about_that_operation(aws: Aws) -> None:
    job = job_of(aws, "moves")
    faults = "faults: [{id: moves, error: E, status: 500}, {id: runs, error: E, status: 501}]"
    with serve_scenario(SCENARIO + faults) as faulty:
        assert faulty.request("GET", "/greengrass/v2/deployments/moves", "greengrass").status_code == 500
        assert [faulty.request("GET", f"/jobs/{id}").status_code for id in (job, "runs")] == [500, 501]
        assert [status_of_tags(faulty, id) for id in (job, "runs", "scheduled")] == [500, 501, 200]
        assert job_ids(faulty)[0] == job


def test_a_fault_can_use_the_name_in_a_request_for_an_unknown_operation() -> None:
    fault = f"{{id: '{arn('nobody')}', error: E, status: 500}}"
    with serve_scenario(f"{SCENARIO}faults: [{fault}, {{id: nobody, error: E, status: 501}}]") as aws:
        assert status_of_tags(aws, "nobody") == 500
        assert aws.request("GET", "/jobs/nobody").status_code == 501
