"""Jobs: counts by state, progress, the end, and tags, as AWS answers them and as the exposition tells them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from exporter.kinds.iot_job import KIND, parse
from tests.support.exporter_server import ServedExporter, serve_exporter
from tests.support.scripted_endpoint import ScriptedAws, error_response, json_response
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
DISCOVERING = CONFIG.replace("ids: [firmware-7]", "discover: true")
TAGGED = CONFIG + "labels: {tags: [team, Team, te_am]}\n"
PATH = "/jobs/firmware-7"
SAME = 'aws_account_id="111122223333",aws_region="eu-west-1"'
ENDED = {**COUNTS, "numberOfQueuedThings": 0, "numberOfInProgressThings": 0}
DONE = {**JOB, "status": "COMPLETED", "jobProcessDetails": ENDED}


def described(job: dict[str, object]) -> dict[str, object]:
    """What DescribeJob answers, with a document source that nobody may see."""
    return {"documentSource": "https://signed.example/?X-Amz-Signature=secret", "job": job}


def aws_with(job: dict[str, object]) -> ScriptedAws:
    """An AWS that knows the job, lists it under its status, and has no tags of it."""
    lists = {f"/jobs?maxResults=250&status={status}": json_response({"jobs": []}) for status in KIND.statuses}
    entry = {key: job[key] for key in ("jobArn", "jobId", "status", "createdAt")}
    lists[f"/jobs?maxResults=250&status={job['status']}"] = json_response({"jobs": [entry]})
    return ScriptedAws({PATH: json_response(described(job)), **lists})


def requests(aws: ScriptedAws, exporter: ServedExporter) -> list[str]:
    """The requests that one more scrape makes."""
    before = len(aws.requests)
    exporter.scrape()
    return aws.requests[before:]


def test_a_job_is_exposed_with_its_things_by_state_and_progress() -> None:
    labels = f'{SAME},id="firmware-7",kind="iot_job"'
    aws = aws_with(JOB)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        rows = exporter.operations().splitlines()
    target = 'target="arn:aws:iot:eu-west-1:111122223333:thinggroup/edge +2"'
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
        f'aws_iot_bulk_operation_info{{{SAME},id="firmware-7",input="",kind="iot_job",name="",{target}}} 1.0',
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
        ("STATUS_OF_TOMORROW", "SNAPSHOT", ENDED, False),
    ],
)
def test_a_job_is_final_when_nothing_of_it_can_change(
    status: str, selection: str, counts: dict[str, int], final: bool
) -> None:
    job = parse("a", {"job": {"status": status, "targetSelection": selection, "jobProcessDetails": counts}})
    assert KIND.final(job, frozenset()) is final


def test_the_progress_of_a_job_without_things_or_without_counts_is_not_told() -> None:
    nothing = dict.fromkeys(COUNTS, 0)
    for details in (nothing, {}, {"numberOfSucceededThings": 5}):
        assert parse("a", {"job": {"status": "SCHEDULED", "jobProcessDetails": details}}).progress is None


def test_a_finished_job_is_described_once_and_a_continuous_one_again_and_again() -> None:
    aws = aws_with(DONE)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert [requests(aws, exporter) for _ in range(3)] == [[PATH], [], []]
    aws = aws_with({**DONE, "status": "IN_PROGRESS", "targetSelection": "CONTINUOUS"})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        assert [requests(aws, exporter) for _ in range(3)] == [[PATH], [PATH], [PATH]]


def test_what_goes_on_after_the_end_is_read_ever_more_rarely_and_its_row_stays() -> None:
    lingering = {**DONE, "status": "CANCELED", "jobProcessDetails": {**ENDED, "numberOfInProgressThings": 1}}
    aws = aws_with(lingering)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        for _ in range(200):
            assert 'state="in_progress"} 1.0' in exporter.scrape(after=60)
    assert 20 < aws.requests.count(PATH) < 100


def test_an_end_of_lingering_things_is_seen_and_then_costs_nothing() -> None:
    lingering = {**DONE, "status": "CANCELED", "jobProcessDetails": {**ENDED, "numberOfInProgressThings": 1}}
    aws = aws_with(lingering)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[PATH] = json_response(described({**DONE, "status": "CANCELED"}))
        assert 'state="in_progress"} 0.0' in exporter.scrape()
        assert requests(aws, exporter) == []


def test_a_list_that_ignores_the_filter_gives_each_job_once_under_its_own_status() -> None:
    everything = json_response({"jobs": [{"jobId": "firmware-7", "status": "COMPLETED", "createdAt": 1766000000}]})
    aws = ScriptedAws({"/jobs": everything, PATH: json_response(described(DONE))})
    only = DISCOVERING.replace("discover: true", "discover: {statuses: [IN_PROGRESS]}")
    for config, rows in ((DISCOVERING, 1), (only, 0)):
        with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
            assert exporter.operations().count("aws_iot_bulk_operation_info{") == rows


def test_a_job_that_is_deleted_leaves_when_aws_no_longer_knows_it() -> None:
    aws = aws_with({**JOB, "status": "DELETION_IN_PROGRESS"})
    with serve_app(aws.app()) as endpoint, serve_exporter(DISCOVERING, endpoint) as exporter:
        assert 'status="DELETION_IN_PROGRESS"} 1.0' in exporter.operations()
        aws.responses[PATH] = error_response("ResourceNotFoundException", 404)
        aws.responses["/jobs?maxResults=250&status=DELETION_IN_PROGRESS"] = json_response({"jobs": []})
        exposed = exporter.scrape()
    assert 'id="firmware-7"' not in exposed
    assert "aws_iot_bulk_exporter_cell_error{" not in exposed


def test_tags_are_read_once_for_each_job_and_names_that_collide_get_a_number() -> None:
    aws = aws_with(JOB)
    first = {"tags": [{"Key": "team", "Value": "edge"}, {"Key": "secret", "Value": "x"}], "nextToken": "2"}
    aws.responses["/tags"] = json_response({"tags": [{"Key": "te_am", "Value": "third"}]})
    aws.responses[f"/tags?resourceArn={quote(ARN, safe='')}"] = json_response(first)
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(TAGGED.replace("te_am", "te-am, te_am"), endpoint) as exporter,
    ):
        exposed = exporter.scrape()
        asked = [one for one in aws.requests if one.startswith("/tags")]
        assert requests(aws, exporter) == [PATH]
    assert len(asked) == 2
    (row,) = [row for row in exposed.splitlines() if row.startswith("aws_iot_bulk_operation_info{")]
    assert 'tag_Team="",tag_te_am="",tag_te_am_2="third",tag_team="edge"' in row


def test_tags_that_are_refused_cost_no_row_and_one_call_a_refresh_until_they_are_allowed() -> None:
    aws = aws_with(DONE)
    aws.responses["/tags"] = error_response("AccessDeniedException", 403)
    with serve_app(aws.app()) as endpoint, serve_exporter(TAGGED, endpoint) as exporter:
        exposed = exporter.scrape()
        assert 'state="succeeded"} 840.0' in exposed
        assert 'reason="access_denied"} 1.0' in exposed
        assert len(requests(aws, exporter)) == 1
        aws.responses["/tags"] = json_response({"tags": [{"Key": "team", "Value": "edge"}]})
        exposed = exporter.scrape()
        assert 'tag_team="edge"' in exposed
        assert "aws_iot_bulk_exporter_cell_error{" not in exposed
        assert requests(aws, exporter) == []


def test_no_tag_is_asked_for_where_none_is_wanted() -> None:
    aws = aws_with(JOB)
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
    assert aws.requests == [PATH]


def test_a_finished_job_that_is_listed_as_being_deleted_is_read_again() -> None:
    aws = aws_with(DONE)
    with serve_app(aws.app()) as endpoint, serve_exporter(DISCOVERING, endpoint) as exporter:
        assert 'status="COMPLETED"} 1.0' in exporter.scrape()
        for path in [path for path in aws.responses if path.startswith("/jobs?")]:
            aws.responses[path] = json_response({"jobs": []})
        deleting = {**DONE, "status": "DELETION_IN_PROGRESS"}
        aws.responses |= {path: one for path, one in aws_with(deleting).responses.items() if "DELETION" in path}
        aws.responses[PATH] = json_response(described(deleting))
        assert 'status="DELETION_IN_PROGRESS"} 1.0' in exporter.scrape()
