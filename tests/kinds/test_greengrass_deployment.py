"""Greengrass V2 deployments: the counts of their job, deployments without a job, and the number of calls."""

import pytest

from exporter.kinds.greengrass_deployment import KIND, GreengrassDeployment
from exporter.kinds.job_operation import with_job
from tests.support.exporter_server import added_requests, serve_exporter
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

ARN = "arn:aws:iot:eu-west-1:111122223333:job/job-1"
DEPLOYMENT = {
    "deploymentId": "d7d2",
    "deploymentName": "gateway 1.8",
    "deploymentStatus": "ACTIVE",
    "targetArn": "arn:aws:iot:eu-west-1:111122223333:thinggroup/gateways",
    "iotJobId": "job-1",
    "iotJobArn": ARN,
    "creationTimestamp": 1766000000.5,
    "tags": {"team": "edge"},
    "components": {"com.example": {"configurationUpdate": {"merge": '{"password": "secret"}'}}},
}
DETAILS = {
    "numberOfInProgressThings": 0,
    "numberOfSucceededThings": 90,
    "numberOfFailedThings": 5,
    "numberOfQueuedThings": 5,
}
JOB = {
    "jobId": "job-1",
    "jobArn": ARN,
    "status": "IN_PROGRESS",
    "lastUpdatedAt": 1766000600,
    "targetSelection": "CONTINUOUS",
}
JOB_RESPONSE = json_response({"job": {**JOB, "jobProcessDetails": DETAILS}})
JOB_WITHOUT_QUEUE = json_response({"job": {**JOB, "jobProcessDetails": {**DETAILS, "numberOfQueuedThings": 0}}})
GET, LIST = "/greengrass/v2/deployments/d7d2", "/greengrass/v2/deployments?historyFilter=LATEST_ONLY&maxResults=100"
DESCRIBE = "/jobs/job-1"
WATCH = """
accounts: [{account_id: "111122223333", watch: [%s]}]
labels: {tags: [team]}
"""
BY_ID = WATCH % "{kind: greengrass_deployment, ids: [d7d2]}"
FOUND = WATCH % "{kind: greengrass_deployment, discover: {statuses: [ACTIVE]}}"
BOTH = WATCH % "{kind: greengrass_deployment, ids: [d7d2]}, {kind: iot_job, ids: [job-1]}"
SAME = 'aws_account_id="111122223333",aws_region="eu-west-1"'
LABELS = f'{SAME},id="d7d2",kind="greengrass_deployment"'
THINGS = "aws_greengrass_deployment_things{"


def list_page(status: str) -> HttpResponse:
    entry = {"deploymentId": "d7d2", "deploymentStatus": status, "creationTimestamp": 1}
    return json_response({"deployments": [entry]})


def aws_with(deployment: dict[str, object], job: HttpResponse) -> ScriptedAws:
    listed, tags = list_page(str(deployment["deploymentStatus"])), json_response({"tags": []})
    return ScriptedAws({GET: json_response(deployment), LIST: listed, DESCRIBE: job, "/tags": tags})


def test_a_deployment_is_exposed_with_the_counts_of_its_job() -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(BY_ID, endpoint) as exporter:
        rows = exporter.operations().splitlines()
    info = (
        f'{SAME},id="d7d2",input="",job_id="job-1",kind="greengrass_deployment",name="gateway 1.8",reason_code="",'
        'tag_team="edge",target="arn:aws:iot:eu-west-1:111122223333:thinggroup/gateways"'
    )
    assert rows == [
        f'aws_iot_bulk_operation_status{{{LABELS},status="ACTIVE"}} 1.0',
        f'aws_iot_bulk_operation_status{{{LABELS},status="COMPLETED"}} 0.0',
        f'aws_iot_bulk_operation_status{{{LABELS},status="CANCELED"}} 0.0',
        f'aws_iot_bulk_operation_status{{{LABELS},status="FAILED"}} 0.0',
        f'aws_iot_bulk_operation_status{{{LABELS},status="INACTIVE"}} 0.0',
        f'aws_iot_bulk_operation_status{{{LABELS},status="Unknown"}} 0.0',
        f"aws_iot_bulk_operation_progress_ratio{{{LABELS}}} 0.95",
        f"aws_iot_bulk_operation_created_timestamp_seconds{{{LABELS}}} 1.7660000005e+09",
        f"aws_iot_bulk_operation_updated_timestamp_seconds{{{LABELS}}} 1.7660006e+09",
        f"aws_iot_bulk_operation_continuous{{{LABELS}}} 1.0",
        f"aws_iot_bulk_operation_info{{{info}}} 1.0",
        f'{THINGS}{LABELS},state="queued"}} 5.0',
        f'{THINGS}{LABELS},state="in_progress"}} 0.0',
        f'{THINGS}{LABELS},state="succeeded"}} 90.0',
        f'{THINGS}{LABELS},state="failed"}} 5.0',
    ]


def test_the_things_of_a_cancelled_deployment_that_its_job_did_not_reach_are_not_done() -> None:
    details = {**DETAILS, "numberOfQueuedThings": 0, "numberOfCanceledThings": 100}
    job = json_response({"job": {**JOB, "status": "CANCELED", "jobProcessDetails": details}})
    aws = aws_with({**DEPLOYMENT, "deploymentStatus": "CANCELED"}, job)
    with serve_app(aws.app()) as endpoint, serve_exporter(BY_ID, endpoint) as exporter:
        assert f"aws_iot_bulk_operation_progress_ratio{{{LABELS}}} {95 / 195}" in exporter.scrape()


@pytest.mark.parametrize(
    ("deployment", "job"),
    [
        ({**DEPLOYMENT, "iotJobId": None}, JOB_RESPONSE),
        ({**DEPLOYMENT, "iotJobId": ""}, JOB_RESPONSE),
        (DEPLOYMENT, error_response("ResourceNotFoundException", 404)),
    ],
    ids=["no job", "empty job id", "deleted job"],
)
def test_a_deployment_without_a_job_has_a_status_and_no_counts(
    deployment: dict[str, object], job: HttpResponse
) -> None:
    aws = aws_with(deployment, job)
    with serve_app(aws.app()) as endpoint, serve_exporter(BY_ID, endpoint) as exporter:
        exposed = exporter.scrape()
    assert f'aws_iot_bulk_operation_status{{{LABELS},status="ACTIVE"}} 1.0' in exposed
    assert THINGS not in exposed
    assert "aws_iot_bulk_operation_progress_ratio{" not in exposed
    assert "aws_iot_bulk_exporter_cell_error{" not in exposed


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (error_response("AccessDeniedException", 403), "access_denied"),
        (json_response({}), "malformed"),
        (json_response({"job": None}), "malformed"),
        (json_response({"job": {"jobId": "job-1"}}), "malformed"),
    ],
)
def test_a_failed_job_call_keeps_the_last_counts_and_has_a_reason(job: HttpResponse, reason: str) -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(BY_ID, endpoint) as exporter:
        exporter.scrape()
        aws.responses[DESCRIBE] = job
        exposed = exporter.scrape()
    assert f'{THINGS}{LABELS},state="succeeded"}} 90.0' in exposed
    assert f'reason="{reason}"}} 1.0' in exposed


@pytest.mark.parametrize(
    ("config", "status", "first", "later"),
    [
        (FOUND, "ACTIVE", {LIST, GET, DESCRIBE}, {LIST, DESCRIBE}),
        (FOUND, "COMPLETED", {LIST}, {LIST}),
        (BY_ID, "ACTIVE", {GET, DESCRIBE}, {GET, DESCRIBE}),
    ],
    ids=["discovered", "discovered with a status that is not configured", "configured by its id"],
)
def test_a_deployment_is_read_completely_only_if_its_list_does_not_show_its_status(
    config: str, status: str, first: set[str], later: set[str]
) -> None:
    aws = aws_with({**DEPLOYMENT, "deploymentStatus": status}, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert added_requests(exporter.scrape, aws.requests) == sorted(first)
        for _ in range(3):
            assert added_requests(exporter.scrape, aws.requests) == sorted(later)


def test_a_discovered_deployment_is_read_until_it_has_a_job() -> None:
    aws = aws_with({**DEPLOYMENT, "iotJobId": None}, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(FOUND, endpoint) as exporter:
        for _ in range(2):
            assert added_requests(exporter.scrape, aws.requests) == sorted([LIST, GET])
        aws.responses[GET] = json_response(DEPLOYMENT)
        assert added_requests(exporter.scrape, aws.requests) == sorted([LIST, GET, DESCRIBE])
        assert f'{THINGS}{LABELS},state="succeeded"}} 90.0' in exporter.operations()
        assert added_requests(exporter.scrape, aws.requests) == sorted([LIST, DESCRIBE])


def test_an_ended_discovered_deployment_is_read_once_more() -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(FOUND, endpoint) as exporter:
        exporter.scrape()
        aws.responses |= {
            LIST: list_page("COMPLETED"),
            GET: json_response({**DEPLOYMENT, "deploymentStatus": "COMPLETED"}),
            DESCRIBE: JOB_WITHOUT_QUEUE,
        }
        assert added_requests(exporter.scrape, aws.requests) == sorted([LIST, GET, DESCRIBE])
        assert added_requests(exporter.scrape, aws.requests) == [LIST]
        exposed = exporter.scrape()
    assert f'status{{{LABELS},status="COMPLETED"}} 1.0' in exposed
    assert f'{THINGS}{LABELS},state="queued"}}' not in exposed
    assert f'{THINGS}{LABELS},state="succeeded"}} 90.0' in exposed


def test_a_list_that_fails_or_lacks_the_deployment_does_not_prevent_its_refresh() -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(FOUND, endpoint) as exporter:
        exporter.scrape()
        aws.responses[LIST] = error_response("AccessDeniedException", 403)
        for _ in range(2):
            assert {GET, DESCRIBE} < set(added_requests(exporter.scrape, aws.requests))
        aws.responses[LIST] = json_response({"deployments": []})
        assert added_requests(exporter.scrape, aws.requests) == sorted([LIST, GET, DESCRIBE])


def test_a_job_of_two_kinds_is_read_once_per_scrape() -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        for _ in range(4):
            assert added_requests(exporter.scrape, aws.requests).count(DESCRIBE) == 1
        rows = exporter.operations().splitlines()
    assert {row.partition("{")[0] for row in rows} >= {"aws_iot_job_things", "aws_greengrass_deployment_things"}


def test_the_job_of_an_ended_deployment_is_read_without_sharing() -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        exporter.scrape()
        inactive = json_response({**DEPLOYMENT, "deploymentStatus": "INACTIVE"})
        aws.responses |= {GET: inactive, DESCRIBE: JOB_WITHOUT_QUEUE}
        assert added_requests(exporter.scrape, aws.requests).count(DESCRIBE) == 2
        assert added_requests(exporter.scrape, aws.requests) == [DESCRIBE]
        assert f'{THINGS}{LABELS},state="queued"}}' not in exporter.operations()


def test_a_failure_of_one_kind_does_not_affect_the_other() -> None:
    aws = aws_with(DEPLOYMENT, JOB_RESPONSE)
    aws.responses[GET] = error_response("InternalServerException", 500)
    with serve_app(aws.app()) as endpoint, serve_exporter(BOTH, endpoint) as exporter:
        for _ in range(2):
            exposed = exporter.scrape()
    assert "aws_iot_job_things{" in exposed
    assert 'kind="greengrass_deployment",reason="server_error"} 1.0' in exposed
    assert 'kind="iot_job",reason=' not in exposed


@pytest.mark.parametrize(
    ("status", "queued", "final"),
    [("COMPLETED", 0, True), ("COMPLETED", 1, False), ("INACTIVE", 0, True), ("ACTIVE", 0, False), ("NEW", 0, False)],
)
def test_a_deployment_is_final_if_it_ended_and_no_thing_is_unfinished(status: str, queued: int, final: bool) -> None:
    job = {"jobProcessDetails": {"numberOfQueuedThings": queued, "numberOfInProgressThings": 0}}
    deployment = with_job(GreengrassDeployment(id="a", status=status, job_id="b"), job)
    assert KIND.is_final(deployment, frozenset()) is final
