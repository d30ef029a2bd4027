"""Responses that AWS never sends but moto does: an own status, lists without a filter, HTML for unknown APIs."""

from collections.abc import Iterator

import pytest

from exporter.kinds.job_counts import STATUSES
from exporter.kinds.registry import KINDS
from exporter.metrics.families import UNKNOWN
from tests.independent.endpoints import REGION, Endpoint, moto
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import STATUS, Scrape

ACCOUNT, OTHER_ACCOUNT = "123456789012", "444455556666"
CREATED = "aws_iot_bulk_operation_created_timestamp_seconds"
JOBS = "accounts: [{watch: [{kind: iot_job, discover: true}]}]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


def test_an_unknown_status_and_a_missing_count_affect_no_other_series(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    exposed = aws.scrape(JOBS)
    assert exposed.by("status", STATUS, id="firmware") == {**dict.fromkeys(STATUSES, 0), UNKNOWN: 1}
    assert exposed.value("aws_iot_bulk_operation_progress_ratio") == 0
    assert exposed.up() == {"iot_job": 1}
    # Moto does not send the number of things that timed out.
    states = ("in_progress", "succeeded", "failed", "rejected", "removed", "canceled")
    assert exposed.by("state", "aws_iot_job_things") == {"queued": 1, **dict.fromkeys(states, 0)}


def test_a_job_in_the_list_of_every_status_has_its_series_once(aws: Endpoint) -> None:
    targets = aws.create_things("a")
    for id in ("running", "cancelled"):
        aws.create_job(id, targets)
    aws.client("iot").cancel_job(jobId="cancelled")
    with serve_exporter(JOBS, aws.url) as exporter:
        for _ in range(3):
            exposed = Scrape(exporter.scrape())
            assert exposed.by("id", CREATED).keys() == {"running", "cancelled"}
            assert (exposed.status("running"), exposed.status("cancelled")) == (UNKNOWN, "CANCELED")


def test_a_deleted_job_has_no_series(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    with serve_exporter(JOBS, aws.url) as exporter:
        assert Scrape(exporter.scrape()).ids() == {"firmware"}
        aws.client("iot").delete_job(jobId="firmware", force=True)
        exposed = Scrape(exporter.scrape())
    assert exposed.ids() == set()
    assert exposed.up() == {"iot_job": 1}


def test_html_instead_of_tags_removes_no_series(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"), tags=[{"Key": "team", "Value": "gateways"}])
    with serve_exporter(f"{JOBS}\nlabels: {{tags: [team]}}", aws.url) as exporter:
        for _ in range(2):
            exposed = Scrape(exporter.scrape())
            assert exposed.by("tag_team", "aws_iot_bulk_operation_info") == {"": 1}
            assert exposed.value("aws_iot_job_things", state="queued") == 1
            assert exposed.up() == {"iot_job": 0}
            assert exposed.reasons() == {("iot_job", "server_error")}


def test_a_missing_api_has_a_reason_and_does_not_affect_other_kinds(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    watches = ", ".join(
        f"{{kind: {kind.name}, discover: true, ids: [one]}}" for kind in KINDS if kind.name != "iot_job"
    )
    config = JOBS.replace("watch: [", f"watch: [{watches}, ")
    exposed = aws.scrape(config)
    assert exposed.ids() == {"firmware"}
    assert exposed.up() == {**{kind.name: 0 for kind in KINDS}, "iot_job": 1}
    assert exposed.reasons() == {
        ("thing_registration_task", "server_error"),
        ("greengrass_bulk_deployment", "malformed"),
        ("greengrass_deployment", "malformed"),
    }


def test_the_series_of_an_assumed_role_have_the_id_of_its_account(aws: Endpoint) -> None:
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"
    session = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="another")
    key_id = session["Credentials"]["AccessKeyId"]
    aws.create_job("here", aws.create_things("a"))
    aws.create_job("there", aws.create_things("a", key=key_id), key=key_id)
    watch = "watch: [{kind: iot_job, discover: true}]"
    config = f"accounts: [{{name: one, {watch}}}, {{name: other, role_arn: '{role}', {watch}}}]"
    exposed = aws.scrape(config)
    assert exposed.ids(aws_account_id=ACCOUNT, aws_region=REGION) == {"here"}
    assert exposed.ids(aws_account_id=OTHER_ACCOUNT, aws_region=REGION) == {"there"}
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 1}
