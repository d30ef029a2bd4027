"""Jobs from the response of AWS to the exposition: counts by state, progress, the end, and tags."""

import re
from urllib.parse import quote

import pytest

from exporter.kinds.iot_job import KIND, parse
from tests.support.exporter_server import added_requests, serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

ARN = "arn:aws:iot:eu-west-1:111122223333:job/firmware-7"
COUNTS = {
    "numberOfQueuedThings": 100,
    "numberOfInProgressThings": 20,
    "numberOfSucceededThings": 840,
    "numberOfFailedThings": 12,
    "numberOfRejectedThings": 3,
    "numberOfTimedOutThings": 5,
    "numberOfRemovedThings": 8,
    "numberOfCanceledThings": 12,
}
JOB = {
    "jobArn": ARN,
    "jobId": "firmware-7",
    "targetSelection": "SNAPSHOT",
    "status": "IN_PROGRESS",
    "comment": "words",
    "targets": [
        "arn:aws:iot:eu-west-1:111122223333:thinggroup/edge",
        "arn:aws:iot:eu-west-1:111122223333:thing/a",
        "arn:aws:iot:eu-west-1:111122223333:thing/b",
    ],
    "description": "words",
    "createdAt": 1766000000.5,
    "lastUpdatedAt": 1766000600,
    "jobProcessDetails": {"processingTargets": [], **COUNTS},
}
CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: iot_job, ids: [firmware-7]}]}]
"""
DISCOVERY_CONFIG = CONFIG.replace("ids: [firmware-7]", "discover: true")
TAGS_CONFIG = CONFIG + "labels: {tags: [team, Team, te_am]}\n"
PATH = "/jobs/firmware-7"
SAME = 'aws_account_id="111122223333",aws_region="eu-west-1"'
ENDED = {**COUNTS, "numberOfQueuedThings": 0, "numberOfInProgressThings": 0}
DONE = {**JOB, "status": "COMPLETED", "jobProcessDetails": ENDED}
UNFINISHED = {**DONE, "status": "CANCELED", "jobProcessDetails": {**ENDED, "numberOfInProgressThings": 1}}


def description(job: dict[str, object]) -> HttpResponse:
    """Return the response of DescribeJob, with a document source that must not be exposed."""
    return json_response({"documentSource": "https://signed.example/?X-Amz-Signature=secret", "job": job})


def aws_with(job: dict[str, object]) -> ScriptedAws:
    """Return an AWS that has the job, and lists it under its status."""
    lists = {f"/jobs?maxResults=250&status={status}": json_response({"jobs": []}) for status in KIND.statuses}
    entry = {key: job[key] for key in ("jobArn", "jobId", "status", "createdAt")}
    lists[f"/jobs?maxResults=250&status={job['status']}"] = json_response({"jobs": [entry]})
    return ScriptedAws({PATH: description(job), "/jobs": json_response({"jobs": [entry]}), **lists})


def test_a_job_is_exposed_with_its_progress_and_thing_counts_after_one_call() -> None:
    labels = f'{SAME},id="firmware-7",kind="iot_job"'
    aws = aws_with(JOB)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        rows = exporter.operations().splitlines()
    # Without configured tags, they are not read.
    assert aws.requests == [PATH]
    target = 'target="arn:aws:iot:eu-west-1:111122223333:thinggroup/edge +2"'
    info = f'{SAME},id="firmware-7",input="",job_id="",kind="iot_job",name="",reason_code="",{target}'
    assert rows == [
        f'aws_iot_bulk_operation_status{{{labels},status="IN_PROGRESS"}} 1.0',
        f'aws_iot_bulk_operation_status{{{labels},status="CANCELED"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="COMPLETED"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="DELETION_IN_PROGRESS"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="SCHEDULED"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="Unknown"}} 0.0',
        f"aws_iot_bulk_operation_progress_ratio{{{labels}}} 0.88",
        f"aws_iot_bulk_operation_created_timestamp_seconds{{{labels}}} 1.7660000005e+09",
        f"aws_iot_bulk_operation_updated_timestamp_seconds{{{labels}}} 1.7660006e+09",
        f"aws_iot_bulk_operation_continuous{{{labels}}} 0.0",
        f"aws_iot_bulk_operation_info{{{info}}} 1.0",
        f'aws_iot_job_things{{{labels},state="queued"}} 100.0',
        f'aws_iot_job_things{{{labels},state="in_progress"}} 20.0',
        f'aws_iot_job_things{{{labels},state="succeeded"}} 840.0',
        f'aws_iot_job_things{{{labels},state="failed"}} 12.0',
        f'aws_iot_job_things{{{labels},state="rejected"}} 3.0',
        f'aws_iot_job_things{{{labels},state="timed_out"}} 5.0',
        f'aws_iot_job_things{{{labels},state="removed"}} 8.0',
        f'aws_iot_job_things{{{labels},state="canceled"}} 12.0',
    ]


@pytest.mark.parametrize(
    ("start", "samples"),
    [
        ("2025-12-17 20:00", ["1.7660016e+09"]),
        ("2025-12-17T21:00+01:00", ["1.7660016e+09"]),
        ("tonight", []),
    ],
)
def test_the_scheduled_start_of_a_job_is_exposed(start: str, samples: list[str]) -> None:
    aws = aws_with({**JOB, "status": "SCHEDULED", "schedulingConfig": {"startTime": start}})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exposed = exporter.scrape()
    starts = re.findall(r"^aws_iot_bulk_operation_scheduled_start_timestamp_seconds\{.*\} (.*)$", exposed, re.MULTILINE)
    assert starts == samples
    assert 'status="SCHEDULED"} 1.0' in exposed


@pytest.mark.parametrize(
    ("status", "selection", "counts", "final"),
    [
        ("COMPLETED", "SNAPSHOT", ENDED, True),
        ("CANCELED", "SNAPSHOT", ENDED, True),
        ("CANCELED", "CONTINUOUS", ENDED, True),
        ("CANCELED", "SNAPSHOT", {**ENDED, "numberOfInProgressThings": 1}, False),
        ("COMPLETED", "SNAPSHOT", {**ENDED, "numberOfQueuedThings": 1}, False),
        ("IN_PROGRESS", "CONTINUOUS", ENDED, False),
        ("COMPLETED", "CONTINUOUS", ENDED, False),
        ("SCHEDULED", "SNAPSHOT", {}, False),
        ("DELETION_IN_PROGRESS", "SNAPSHOT", ENDED, False),
        ("NEW_STATUS", "SNAPSHOT", ENDED, False),
    ],
)
def test_a_job_is_final_if_it_ended_and_no_thing_is_unfinished(
    status: str, selection: str, counts: dict[str, int], final: bool
) -> None:
    job = parse("a", {"job": {"status": status, "targetSelection": selection, "jobProcessDetails": counts}})
    assert KIND.is_final(job, frozenset()) is final


def scrape_of(job: dict[str, object]) -> Scrape:
    """Return the first scrape of an exporter that watches the job."""
    with serve_app(aws_with(job).app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        return Scrape(exporter.scrape())


def test_an_ended_job_has_the_time_of_its_end_and_its_reason_code() -> None:
    ended = scrape_of({**DONE, "status": "CANCELED", "completedAt": 1766000700, "reasonCode": "WRONG_IMAGE"})
    assert ended.value("aws_iot_bulk_operation_completed_timestamp_seconds") == 1766000700
    assert ended.value("aws_iot_bulk_operation_info", reason_code="WRONG_IMAGE") == 1
    running = scrape_of(JOB)
    assert running.value("aws_iot_bulk_operation_completed_timestamp_seconds") is None
    assert running.value("aws_iot_bulk_operation_info", reason_code="") == 1


@pytest.mark.parametrize(("selection", "continuous"), [("CONTINUOUS", 1), ("SNAPSHOT", 0)])
def test_a_job_says_whether_it_has_an_end(selection: str, continuous: int) -> None:
    job = {**JOB, "targetSelection": selection}
    assert scrape_of(job).value("aws_iot_bulk_operation_continuous") == continuous


def criterion(failure_type: str, percentage: float, minimum: int = 1) -> dict[str, object]:
    return {
        "failureType": failure_type,
        "action": "CANCEL",
        "thresholdPercentage": percentage,
        "minNumberOfExecutedThings": minimum,
    }


@pytest.mark.parametrize(
    ("status", "criteria", "aborted"),
    [
        # Of 860 things that executed the job, 20 failed: 12 reported it, 3 rejected it and 5 timed out.
        ("CANCELED", [criterion("ALL", 2.3)], 1),
        ("CANCELED", [criterion("ALL", 2.4)], None),
        ("CANCELED", [criterion("FAILED", 1.3)], 1),
        ("CANCELED", [criterion("REJECTED", 1.3)], None),
        ("CANCELED", [criterion("TIMED_OUT", 0.5)], 1),
        ("CANCELED", [criterion("ALL", 50), criterion("FAILED", 1)], 1),
        ("CANCELED", [criterion("ALL", 1, minimum=860)], 1),
        ("CANCELED", [criterion("ALL", 1, minimum=861)], None),
        ("CANCELED", [], None),
        ("COMPLETED", [criterion("ALL", 1)], None),
        ("IN_PROGRESS", [criterion("ALL", 1)], None),
    ],
)
def test_a_cancelled_job_that_meets_its_own_abort_criteria_was_aborted(
    status: str, criteria: list[object], aborted: int | None
) -> None:
    job = {**DONE, "status": status, "abortConfig": {"criteriaList": criteria}}
    assert scrape_of(job).value("aws_iot_bulk_operation_aborted") == aborted


def test_a_job_without_things_or_counts_has_no_progress() -> None:
    zeros = dict.fromkeys(COUNTS, 0)
    for details in (zeros, {}, {"numberOfSucceededThings": 5}):
        assert parse("a", {"job": {"status": "SCHEDULED", "jobProcessDetails": details}}).progress is None


@pytest.mark.parametrize(
    ("status", "counts", "progress"),
    [
        ("COMPLETED", ENDED, 1.0),
        ("CANCELED", ENDED, 868 / 880),
        ("CANCELED", {**dict.fromkeys(COUNTS, 0), "numberOfSucceededThings": 20, "numberOfCanceledThings": 80}, 0.2),
        ("DELETION_IN_PROGRESS", ENDED, 868 / 880),
        ("IN_PROGRESS", COUNTS, 0.88),
        ("IN_PROGRESS", {**dict.fromkeys(COUNTS, 0), "numberOfQueuedThings": 43, "numberOfFailedThings": 57}, 0.57),
    ],
)
def test_the_things_that_aws_cancelled_with_their_job_were_not_processed(
    status: str, counts: dict[str, int], progress: float | None
) -> None:
    # Exact: a sum of rounded numbers would be shown as 0.5700000000000001.
    assert parse("a", {"job": {"status": status, "jobProcessDetails": counts}}).progress == progress


def test_a_finished_job_is_read_once_and_a_continuous_one_each_time() -> None:
    aws = aws_with(DONE)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert [added_requests(exporter.scrape, aws.requests) for _ in range(3)] == [[PATH], [], []]
    aws = aws_with({**DONE, "status": "IN_PROGRESS", "targetSelection": "CONTINUOUS"})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert [added_requests(exporter.scrape, aws.requests) for _ in range(3)] == [[PATH], [PATH], [PATH]]


def test_an_ended_job_with_unfinished_things_is_read_less_and_less_often() -> None:
    aws = aws_with(UNFINISHED)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(200):
            assert 'state="in_progress"} 1.0' in exporter.scrape(after=60)
    assert 20 < aws.requests.count(PATH) < 100


def test_an_ended_job_is_not_read_again_after_its_last_thing() -> None:
    aws = aws_with(UNFINISHED)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[PATH] = description({**DONE, "status": "CANCELED"})
        exposed = exporter.scrape()
        assert 'state="in_progress"}' not in exposed
        assert 'state="succeeded"} 840.0' in exposed
        assert added_requests(exporter.scrape, aws.requests) == []


def test_jobs_of_a_list_without_the_filter_are_exposed_once_with_their_own_status() -> None:
    all_jobs = json_response({"jobs": [{"jobId": "firmware-7", "status": "COMPLETED", "createdAt": 1766000000}]})
    aws = ScriptedAws({"/jobs": all_jobs, PATH: description(DONE)})
    only = DISCOVERY_CONFIG.replace("discover: true", "discover: {statuses: [IN_PROGRESS]}")
    for config, rows in ((DISCOVERY_CONFIG, 1), (only, 0)):
        with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
            assert exporter.operations().count("aws_iot_bulk_operation_info{") == rows


def test_a_deleted_job_is_removed_without_an_error() -> None:
    aws = aws_with({**JOB, "status": "DELETION_IN_PROGRESS"})
    with serve_app(aws.app()) as endpoint, serve_exporter(DISCOVERY_CONFIG, endpoint) as exporter:
        assert 'status="DELETION_IN_PROGRESS"} 1.0' in exporter.operations()
        aws.responses[PATH] = error_response("ResourceNotFoundException", 404)
        aws.responses["/jobs?maxResults=250&status=DELETION_IN_PROGRESS"] = json_response({"jobs": []})
        exposed = exporter.scrape()
    assert 'id="firmware-7"' not in exposed
    assert "aws_iot_bulk_exporter_cell_error{" not in exposed


def test_tags_are_read_once_per_job_and_equal_labels_get_a_number() -> None:
    aws = aws_with(JOB)
    first = {"tags": [{"Key": "team", "Value": "edge"}, {"Key": "secret", "Value": "x"}], "nextToken": "2"}
    aws.responses["/tags"] = json_response({"tags": [{"Key": "te_am", "Value": "third"}]})
    aws.responses[f"/tags?resourceArn={quote(ARN, safe='')}"] = json_response(first)
    config = TAGS_CONFIG.replace("te_am", "te-am, te_am")
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        exposed = exporter.scrape()
        tag_requests = [path for path in aws.requests if path.startswith("/tags")]
        assert added_requests(exporter.scrape, aws.requests) == [PATH]
    assert len(tag_requests) == 2
    (row,) = [row for row in exposed.splitlines() if row.startswith("aws_iot_bulk_operation_info{")]
    assert 'tag_Team="",tag_te_am="",tag_te_am_2="third",tag_team="edge"' in row


def test_denied_tags_cost_no_sample_and_one_call_per_refresh() -> None:
    aws = aws_with(DONE)
    aws.responses["/tags"] = error_response("AccessDeniedException", 403)
    with serve_app(aws.app()) as endpoint, serve_exporter(TAGS_CONFIG, endpoint) as exporter:
        exposed = exporter.scrape()
        assert 'state="succeeded"} 840.0' in exposed
        assert 'reason="access_denied"} 1.0' in exposed
        assert len(added_requests(exporter.scrape, aws.requests)) == 1
        aws.responses["/tags"] = json_response({"tags": [{"Key": "team", "Value": "edge"}]})
        exposed = exporter.scrape()
        assert 'tag_team="edge"' in exposed
        assert "aws_iot_bulk_exporter_cell_error{" not in exposed
        assert added_requests(exporter.scrape, aws.requests) == []


def test_a_finished_job_that_is_being_deleted_is_read_again() -> None:
    aws = aws_with(DONE)
    with serve_app(aws.app()) as endpoint, serve_exporter(DISCOVERY_CONFIG, endpoint) as exporter:
        assert 'status="COMPLETED"} 1.0' in exporter.scrape()
        aws.responses |= aws_with({**DONE, "status": "DELETION_IN_PROGRESS"}).responses
        assert 'status="DELETION_IN_PROGRESS"} 1.0' in exporter.scrape()


def test_tags_that_aws_always_refuses_delay_no_tags_of_other_jobs() -> None:
    ids = ["refused", *(f"job-{number:02}" for number in range(20))]
    aws = ScriptedAws({})
    for id in ids:
        arn = ARN.replace("firmware-7", id)
        aws.responses[f"/jobs/{id}"] = description({**DONE, "jobId": id, "jobArn": arn})
        tags = json_response({"tags": [{"Key": "team", "Value": "edge"}]})
        tags_path = f"/tags?resourceArn={quote(arn, safe='')}"
        aws.responses[tags_path] = error_response("AccessDeniedException", 403) if id == "refused" else tags
    config = TAGS_CONFIG.replace("firmware-7", ", ".join(ids))
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        exporter.scrape()
        for _ in range(2):
            info = Scrape(exporter.scrape()).by("id", "aws_iot_bulk_operation_info", tag_team="edge")
            assert sorted(info) == sorted(ids[1:])
        # Of one refresh: only the refused call is made again.
        assert [target[:5] for target in added_requests(exporter.scrape, aws.requests)] == ["/tags"]
