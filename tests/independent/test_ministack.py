"""Jobs and roles on ministack, which executes jobs and checks policies before every call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.aws.iam_policy import policy
from exporter.aws.models import Models
from exporter.kinds.registry import KINDS
from tests.independent.endpoints import REGION, Endpoint, ministack
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import Scrape

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
JOBS = """
accounts: [{watch: [{kind: iot_job, discover: true}]}]
labels: {tags: [team]}
"""
CONFIGURED = "accounts: [{watch: [{kind: iot_job, ids: [firmware]}]}]"
PROGRESS = "aws_iot_bulk_operation_progress_ratio"
NOTHING = dict.fromkeys(
    ("queued", "in_progress", "succeeded", "failed", "rejected", "timed_out", "removed", "canceled"), 0.0
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with ministack(tmp_path_factory.mktemp("ministack"), ACCOUNT) as endpoint:
        yield endpoint


def things(exposed: Scrape, id: str) -> dict[str, float]:
    """Return the things of a job by state."""
    return exposed.by("state", "aws_iot_job_things", id=id)


def test_the_things_of_a_job_move_as_their_devices_do(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a", "b", "c", "d"))
    device = aws.client("iot-jobs-data")
    with serve_exporter(JOBS, aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
        assert things(exposed, "firmware") == {**NOTHING, "queued": 4}
        assert (exposed.status("firmware"), exposed.value(PROGRESS)) == ("IN_PROGRESS", 0)

        device.start_next_pending_job_execution(thingName="a")
        assert things(Scrape(exporter.scrape()), "firmware") == {**NOTHING, "queued": 3, "in_progress": 1}

        device.update_job_execution(jobId="firmware", thingName="a", status="SUCCEEDED")
        device.update_job_execution(jobId="firmware", thingName="b", status="FAILED")
        exposed = Scrape(exporter.scrape())
        assert things(exposed, "firmware") == {**NOTHING, "queued": 2, "succeeded": 1, "failed": 1}
        assert (exposed.status("firmware"), exposed.value(PROGRESS)) == ("IN_PROGRESS", 0.5)

        device.update_job_execution(jobId="firmware", thingName="c", status="REJECTED")
        device.update_job_execution(jobId="firmware", thingName="d", status="SUCCEEDED")
        exposed = Scrape(exporter.scrape())
        assert things(exposed, "firmware") == {**NOTHING, "succeeded": 2, "failed": 1, "rejected": 1}
        assert (exposed.status("firmware"), exposed.value(PROGRESS)) == ("COMPLETED", 1)
        assert exposed.up() == {"iot_job": 1}


def test_a_cancelled_job_is_read_until_its_last_thing_is_done(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a", "b"))
    device = aws.client("iot-jobs-data")
    device.start_next_pending_job_execution(thingName="a")
    with serve_exporter(JOBS, aws.url) as exporter:
        exporter.scrape()
        aws.client("iot").cancel_job(jobId="firmware")
        exposed = Scrape(exporter.scrape())
        assert exposed.status("firmware") == "CANCELED"
        assert things(exposed, "firmware") == {**NOTHING, "in_progress": 1, "canceled": 1}
        device.update_job_execution(jobId="firmware", thingName="a", status="SUCCEEDED")
        exposed = Scrape(exporter.scrape())
        assert things(exposed, "firmware") == {**NOTHING, "succeeded": 1, "canceled": 1}


def test_things_join_and_leave_the_targets_of_a_continuous_job(aws: Endpoint) -> None:
    iot = aws.client("iot")
    aws.create_things("a", "b")
    group = iot.create_thing_group(thingGroupName="gateways")["thingGroupArn"]
    iot.add_thing_to_thing_group(thingGroupName="gateways", thingName="a")
    aws.create_job("firmware", [group], targetSelection="CONTINUOUS")
    aws.client("iot-jobs-data").update_job_execution(jobId="firmware", thingName="a", status="SUCCEEDED")
    with serve_exporter(JOBS, aws.url) as exporter:
        assert Scrape(exporter.scrape()).value(PROGRESS) == 1
        iot.add_thing_to_thing_group(thingGroupName="gateways", thingName="b")
        exposed = Scrape(exporter.scrape())
        assert things(exposed, "firmware") == {**NOTHING, "succeeded": 1, "queued": 1}
        assert (exposed.status("firmware"), exposed.value(PROGRESS)) == ("IN_PROGRESS", 0.5)
        iot.remove_thing_from_thing_group(thingGroupName="gateways", thingName="b")
        assert things(Scrape(exporter.scrape()), "firmware") == {**NOTHING, "succeeded": 1, "removed": 1}


def test_jobs_are_found_by_the_statuses_that_are_wanted(aws: Endpoint) -> None:
    targets = aws.create_things("a")
    for id in ("running", "cancelled"):
        aws.create_job(id, targets)
    aws.client("iot").cancel_job(jobId="cancelled")
    for statuses, found in (("IN_PROGRESS", {"running"}), ("CANCELED", {"cancelled"}), ("COMPLETED", set[str]())):
        with serve_exporter(JOBS.replace("true", f"{{statuses: [{statuses}]}}"), aws.url) as exporter:
            assert Scrape(exporter.scrape()).ids() == found


def test_the_target_and_the_chosen_tags_of_a_job_are_told(aws: Endpoint) -> None:
    (thing,) = aws.create_things("a")
    aws.create_job("firmware", [thing], tags=[{"Key": "team", "Value": "gateways"}, {"Key": "site", "Value": "Ulm"}])
    with serve_exporter(JOBS, aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    ((labels, _),) = exposed.rows("aws_iot_bulk_operation_info")
    assert labels["tag_team"] == "gateways"
    assert labels["target"] == thing
    assert "Ulm" not in exposed.text
    assert exposed.up() == {"iot_job": 1}


@pytest.mark.parametrize(("config", "up"), [(JOBS, 1), (CONFIGURED, 0)], ids=["found", "configured"])
def test_a_deleted_job_leaves_and_only_one_that_was_configured_is_missed(aws: Endpoint, config: str, up: float) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    with serve_exporter(config, aws.url) as exporter:
        assert Scrape(exporter.scrape()).ids() == {"firmware"}
        aws.client("iot").delete_job(jobId="firmware", force=True)
        exposed = Scrape(exporter.scrape())
    assert exposed.ids() == set()
    assert exposed.up() == {"iot_job": up}
    assert exposed.reasons() == (set() if up else {("iot_job", "not_found")})


def test_a_finished_job_that_was_deleted_leaves_with_the_lists(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    aws.client("iot-jobs-data").update_job_execution(jobId="firmware", thingName="a", status="SUCCEEDED")
    with serve_exporter(JOBS, aws.url) as exporter:
        assert Scrape(exporter.scrape()).status("firmware") == "COMPLETED"
        aws.client("iot").delete_job(jobId="firmware")
        assert Scrape(exporter.scrape(after=400)).ids() == {"firmware"}
        assert Scrape(exporter.scrape(after=400)).ids() == set()


def test_what_the_endpoint_does_not_know_takes_no_other_kind_down(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    watches = ", ".join(f"{{kind: {kind.name}, discover: true}}" for kind in KINDS)
    with serve_exporter(f"aws: {{read_timeout: 1m}}\naccounts: [{{watch: [{watches}]}}]", aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    assert exposed.ids() == {"firmware"}
    unknown = {kind.name for kind in KINDS} - {"iot_job"}
    assert exposed.up() == {**dict.fromkeys(unknown, 0), "iot_job": 1}
    assert exposed.reasons() == {(kind, "other") for kind in unknown}


def create_role(aws: Endpoint, permissions: dict[str, Any]) -> None:
    """Create a role in the other account that trusts the first one with an external id."""
    iam = aws.client("iam", OTHER_ACCOUNT)
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Condition": {"StringEquals": {"sts:ExternalId": "told-in-secret"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="exporter", AssumeRolePolicyDocument=document)
    iam.put_role_policy(RoleName="exporter", PolicyName="exporter", PolicyDocument=json.dumps(permissions))


def by_role(external_id: str) -> str:
    """Return a configuration that watches the jobs of both accounts, the other one by its role."""
    role = f"role_arn: arn:aws:iam::{OTHER_ACCOUNT}:role/exporter, external_id: {external_id}"
    watch = "watch: [{kind: iot_job, discover: true}]"
    return f"accounts: [{{name: one, {watch}}}, {{name: other, {role}, {watch}}}]\nlabels: {{tags: [team]}}"


def create_jobs(aws: Endpoint) -> None:
    """Create a job in each account."""
    aws.create_job("here", aws.create_things("a"))
    aws.create_job("there", aws.create_things("a", key=OTHER_ACCOUNT), key=OTHER_ACCOUNT)


def test_the_documented_permissions_suffice_and_each_row_has_its_account(aws: Endpoint) -> None:
    create_jobs(aws)
    create_role(aws, policy(KINDS, Models()))
    with serve_exporter(by_role("told-in-secret"), aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    assert exposed.ids(aws_account_id=ACCOUNT, aws_region=REGION) == {"here"}
    assert exposed.ids(aws_account_id=OTHER_ACCOUNT, aws_region=REGION) == {"there"}
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 1}


@pytest.mark.parametrize("action", ["iot:ListJobs", "iot:DescribeJob", "iot:ListTagsForResource"])
def test_no_documented_permission_for_jobs_can_be_spared(aws: Endpoint, action: str) -> None:
    create_jobs(aws)
    permissions = policy(KINDS, Models())
    deny = {"Effect": "Deny", "Action": action, "Resource": "*"}
    create_role(aws, {**permissions, "Statement": [*permissions["Statement"], deny]})
    with serve_exporter(by_role("told-in-secret"), aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 0}
    assert exposed.reasons() == {("iot_job", "access_denied")}
    assert exposed.ids(aws_account_id=ACCOUNT) == {"here"}


def test_a_wrong_external_id_ends_in_a_reason_for_that_account_alone(aws: Endpoint) -> None:
    create_jobs(aws)
    create_role(aws, policy(KINDS, Models()))
    with serve_exporter(by_role("not-that-one"), aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 0}
    assert exposed.reasons() == {("iot_job", "access_denied")}
    assert exposed.ids() == {"here"}
    assert "not-that-one" not in exposed.text + exporter.log.getvalue()
