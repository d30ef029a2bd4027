"""Jobs, roles and CloudFormation on ministack, which executes jobs and checks policies before every call."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.aws.iam_policy import policy
from exporter.aws.models import Models
from exporter.kinds.registry import KINDS
from tests.independent.endpoints import REGION, Endpoint, ministack
from tests.support import http_requests
from tests.support.documented_permissions import documented_trust, wanted_statements
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.processes import run_exporter
from tests.support.repository import ROOT
from tests.support.waiting import wait_until

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
    """Return the things of a job by state. A final job has no series for a state without things."""
    return {**NOTHING, **exposed.by("state", "aws_iot_job_things", id=id)}


def test_the_things_of_a_job_are_counted_by_the_state_of_their_devices(aws: Endpoint) -> None:
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


def test_jobs_are_discovered_by_the_configured_statuses(aws: Endpoint) -> None:
    targets = aws.create_things("a")
    for id in ("running", "cancelled"):
        aws.create_job(id, targets)
    aws.client("iot").cancel_job(jobId="cancelled")
    for statuses, found in (("IN_PROGRESS", {"running"}), ("CANCELED", {"cancelled"}), ("COMPLETED", set[str]())):
        assert aws.scrape(JOBS.replace("true", f"{{statuses: [{statuses}]}}")).ids() == found


def test_the_target_and_the_configured_tags_of_a_job_are_labels(aws: Endpoint) -> None:
    (thing,) = aws.create_things("a")
    aws.create_job("firmware", [thing], tags=[{"Key": "team", "Value": "gateways"}, {"Key": "site", "Value": "Ulm"}])
    exposed = aws.scrape(JOBS)
    ((labels, _),) = exposed.rows("aws_iot_bulk_operation_info")
    assert labels["tag_team"] == "gateways"
    assert labels["target"] == thing
    assert "Ulm" not in exposed.text
    assert exposed.up() == {"iot_job": 1}


@pytest.mark.parametrize(("config", "unknown"), [(JOBS, 0), (CONFIGURED, 1)], ids=["found", "configured"])
def test_a_deleted_job_has_no_series_and_a_configured_one_is_an_unknown_id(
    aws: Endpoint, config: str, unknown: float
) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    with serve_exporter(config, aws.url) as exporter:
        assert Scrape(exporter.scrape()).ids() == {"firmware"}
        aws.client("iot").delete_job(jobId="firmware", force=True)
        exposed = Scrape(exporter.scrape())
    assert exposed.ids() == set()
    assert (exposed.up(), exposed.reasons()) == ({"iot_job": 1}, set())
    assert exposed.value("aws_iot_bulk_exporter_unknown_ids") == unknown


def test_a_finished_job_that_was_deleted_disappears_with_the_next_lists(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    aws.client("iot-jobs-data").update_job_execution(jobId="firmware", thingName="a", status="SUCCEEDED")
    with serve_exporter(JOBS, aws.url) as exporter:
        assert Scrape(exporter.scrape()).status("firmware") == "COMPLETED"
        aws.client("iot").delete_job(jobId="firmware")
        assert Scrape(exporter.scrape(after=400)).ids() == {"firmware"}
        assert Scrape(exporter.scrape(after=400)).ids() == set()


def test_an_api_that_the_endpoint_lacks_does_not_affect_other_kinds(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    watches = ", ".join(f"{{kind: {kind.name}, discover: true}}" for kind in KINDS)
    exposed = aws.scrape(f"aws: {{read_timeout: 1m}}\naccounts: [{{watch: [{watches}]}}]")
    assert exposed.ids() == {"firmware"}
    unknown = {kind.name for kind in KINDS} - {"iot_job"}
    assert exposed.up() == {**dict.fromkeys(unknown, 0), "iot_job": 1}
    assert exposed.reasons() == {(kind, "other") for kind in unknown}


def failures_of(id: str, *flags: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the JSON of the command ``failures`` for a job."""
    command = ("failures", "--kind=iot_job", f"--id={id}", "--output=json", *flags)
    done = run_exporter(*command, environment=dict(os.environ))
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_the_command_failures_prints_what_the_devices_said(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a", "b", "c", "d", "e"))
    device = aws.client("iot-jobs-data")
    for thing, status, details in (
        ("a", "FAILED", {"code": "E_DISK", "message": "7 MB are free"}),
        ("b", "FAILED", {"message": "12 MB are free", "code": "E_DISK"}),
        ("c", "REJECTED", {"message": "wrong board", "url": "https://fw.example/v7?X-Amz-Signature=s3cret"}),
        ("d", "FAILED", {}),
        ("e", "SUCCEEDED", {"message": "installed"}),
    ):
        more = {"statusDetails": details} if details else {}
        device.update_job_execution(jobId="firmware", thingName=thing, status=status, **more)
    exit_status, content = failures_of("firmware")
    assert exit_status == 0
    assert {item["item"]: (item["state"], item["reason"], item["attempt"]) for item in content["items"]} == {
        "a": ("FAILED", "code: E_DISK; message: 7 MB are free", 1),
        "b": ("FAILED", "code: E_DISK; message: 12 MB are free", 1),
        "c": ("REJECTED", "message: wrong board; url: https://fw.example/v7?[redacted]", 1),
        "d": ("FAILED", "", 1),
    }
    assert [(group["reason"], group["count"]) for group in content["groups"]] == [
        ("code: E_DISK; message: <number> MB are free", 2),
        ("message: wrong board; url: <url>", 1),
        ("no reason, only the state FAILED", 1),
    ]
    assert (content["complete"], content["omitted"], content["operation"]["failed"]) == (True, 0, 4)


def page_with_items(url: str) -> str | None:
    """Return the page of an operation, None until it has read the failed items."""
    text = http_requests.get(url).text
    return None if "are being read" in text else text


def test_a_running_job_with_retries_shows_the_executions_that_failed(aws: Endpoint) -> None:
    retries = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]}
    aws.create_job("firmware", aws.create_things("a", "b"), jobExecutionsRetryConfig=retries)
    device = aws.client("iot-jobs-data")
    device.update_job_execution(jobId="firmware", thingName="a", status="FAILED", statusDetails={"m": "no space"})
    _, content = failures_of("firmware")
    # The thing waits for its next attempt, so that it has not failed finally.
    assert (content["operation"]["failed"], content["operation"]["failed_executions"]) == (0, 1)
    assert [(item["item"], item["reason"]) for item in content["items"]] == [("a", "m: no space")]
    with serve_exporter(f"{JOBS}failures: true\n", aws.url) as exporter:
        exporter.scrape()
        page = wait_until(lambda: page_with_items(f"{exporter.url}/operations/iot_job/firmware"), "the items")
    assert "AWS counts executions, not items: 1 failed. By these counts, 0 items failed finally." in page
    assert "m: no space" in page


def test_the_command_failures_prints_cancelled_things_on_request(aws: Endpoint) -> None:
    aws.create_job("firmware", aws.create_things("a"))
    aws.client("iot").cancel_job(jobId="firmware")
    assert failures_of("firmware")[1]["items"] == []
    (item,) = failures_of("firmware", "--state=CANCELED")[1]["items"]
    assert (item["item"], item["state"]) == ("a", "CANCELED")


def create_role(aws: Endpoint, permissions: dict[str, Any]) -> None:
    """Create a role in the other account that trusts the first one with an external id."""
    iam = aws.client("iam", OTHER_ACCOUNT)
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Condition": {"StringEquals": {"sts:ExternalId": "shared-secret"}},
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


def test_the_documented_permissions_suffice_and_each_series_has_its_account(aws: Endpoint) -> None:
    create_jobs(aws)
    create_role(aws, policy(KINDS, Models()))
    exposed = aws.scrape(by_role("shared-secret"))
    assert exposed.ids(aws_account_id=ACCOUNT, aws_region=REGION) == {"here"}
    assert exposed.ids(aws_account_id=OTHER_ACCOUNT, aws_region=REGION) == {"there"}
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 1}


@pytest.mark.parametrize("action", ["iot:ListJobs", "iot:DescribeJob", "iot:ListTagsForResource"])
def test_every_documented_permission_for_jobs_is_needed(aws: Endpoint, action: str) -> None:
    create_jobs(aws)
    permissions = policy(KINDS, Models())
    deny = {"Effect": "Deny", "Action": action, "Resource": "*"}
    create_role(aws, {**permissions, "Statement": [*permissions["Statement"], deny]})
    exposed = aws.scrape(by_role("shared-secret"))
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 0}
    assert exposed.reasons() == {("iot_job", "access_denied")}
    assert exposed.ids(aws_account_id=ACCOUNT) == {"here"}


def test_a_wrong_external_id_is_an_error_only_of_its_account(aws: Endpoint) -> None:
    create_jobs(aws)
    create_role(aws, policy(KINDS, Models()))
    with serve_exporter(by_role("wrong-secret"), aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {"one": 1, "other": 0}
    assert exposed.reasons() == {("iot_job", "access_denied")}
    assert exposed.ids() == {"here"}
    assert "wrong-secret" not in exposed.text + exporter.log.getvalue()


NAME = "iot-bulk-exporter"
BY_DEFAULT = [kind.name for kind in KINDS if kind.by_default]
ROLE = {"Trust": "role", "TrustedRoleArns": f"arn:aws:iam::{ACCOUNT}:role/{NAME}", "ExternalId": "change-me"}
TRUSTS = {
    "PodIdentity": {"Trust": "pod-identity", "ClusterName": "factory"},
    "Irsa": {"Trust": "irsa", "OidcProvider": "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"},
    "OtherAccount": ROLE,
}


def template() -> str:
    """Return the template without the resource that ministack lacks."""
    text = (ROOT / "deploy" / "aws" / "cloudformation.yaml").read_text(encoding="utf-8")
    before, association, after = text.partition("  Association:\n")
    assert association
    return before + after[after.index("Outputs:\n") :]


def create_stack(aws: Endpoint, account: str, **parameters: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Create a stack in an account and return its role's policy and trust policy."""
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    stacks, iam = aws.client("cloudformation", account), aws.client("iam", account)
    stacks.create_stack(
        StackName=NAME, TemplateBody=template(), Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    stacks.get_waiter("stack_create_complete").wait(StackName=NAME)
    policy = iam.get_role_policy(RoleName=NAME, PolicyName="read-bulk-operations")["PolicyDocument"]
    return policy, iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]


@pytest.mark.parametrize("sid", TRUSTS)
def test_a_stack_allows_and_trusts_as_documented(aws: Endpoint, sid: str) -> None:
    policy, trust = create_stack(aws, ACCOUNT, **TRUSTS[sid])
    assert trust == documented_trust(sid)
    assert policy["Statement"] == wanted_statements(BY_DEFAULT, ["discover"], "aws", [])


def test_a_stack_with_every_parameter_allows_every_purpose(aws: Endpoint) -> None:
    purposes = {purpose for kind in KINDS for purpose in kind.every_purpose} - {"describe"}
    words = {
        "".join(part.capitalize() for part in name.split("_")) for name in {kind.name for kind in KINDS} | purposes
    }
    roles = [f"arn:aws:iam::{OTHER_ACCOUNT}:role/{name}" for name in "ab"]
    more = {"AssumeRoleArns": ",".join(roles), "Regions": "eu-west-1,us-east-1"}
    policy, _ = create_stack(aws, ACCOUNT, **TRUSTS["PodIdentity"], **dict.fromkeys(words, "true"), **more)
    *watching, assuming = policy["Statement"]
    assert watching == wanted_statements([kind.name for kind in KINDS], purposes, "aws", ["eu-west-1", "us-east-1"])
    assert (assuming["Action"], assuming["Resource"]) == (["sts:AssumeRole", "sts:TagSession"], roles)


@pytest.mark.parametrize(("regions", "up"), [("eu-west-1", 1), ("us-east-1", 0)])
def test_the_role_of_a_stack_gives_access_only_in_its_regions(aws: Endpoint, regions: str, up: int) -> None:
    aws.create_job("there", aws.create_things("a", key=OTHER_ACCOUNT), key=OTHER_ACCOUNT)
    trust = {**ROLE, "TrustedRoleArns": f"arn:aws:iam::{ACCOUNT}:root"}
    create_stack(aws, OTHER_ACCOUNT, **trust, Tags="true", Regions=regions)
    role = f"role_arn: 'arn:aws:iam::{OTHER_ACCOUNT}:role/{NAME}', external_id: change-me"
    config = f"accounts: [{{{role}, watch: [{{kind: iot_job, discover: true}}]}}]\nlabels: {{tags: [team]}}"
    exposed = aws.scrape(config)
    assert exposed.up() == {"iot_job": up}
    assert exposed.ids() == ({"there"} if up else set())
