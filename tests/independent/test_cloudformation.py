"""The CloudFormation template on ministack: the roles that it creates, and an exporter that uses one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from tests.independent.endpoints import Endpoint, ministack
from tests.support.documented_permissions import documented_trust, wanted_statements
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.repository import ROOT

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
NAME = "iot-bulk-exporter"
BY_DEFAULT = [kind.name for kind in KINDS if kind.by_default]
ROLE = {"Trust": "role", "TrustedRoleArns": f"arn:aws:iam::{ACCOUNT}:role/{NAME}", "ExternalId": "change-me"}
TRUSTS = {
    "PodIdentity": {"Trust": "pod-identity", "ClusterName": "factory"},
    "Irsa": {"Trust": "irsa", "OidcProvider": "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"},
    "OtherAccount": ROLE,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with ministack(tmp_path_factory.mktemp("ministack"), ACCOUNT) as endpoint:
        yield endpoint


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
    purposes = {purpose for kind in KINDS for purpose in kind.purposes} - {"describe"}
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
def test_the_role_of_a_stack_lets_the_exporter_in_and_only_in_its_regions(aws: Endpoint, regions: str, up: int) -> None:
    aws.create_job("there", aws.create_things("a", key=OTHER_ACCOUNT), key=OTHER_ACCOUNT)
    trust = {**ROLE, "TrustedRoleArns": f"arn:aws:iam::{ACCOUNT}:root"}
    create_stack(aws, OTHER_ACCOUNT, **trust, Tags="true", Regions=regions)
    role = f"role_arn: 'arn:aws:iam::{OTHER_ACCOUNT}:role/{NAME}', external_id: change-me"
    config = f"accounts: [{{{role}, watch: [{{kind: iot_job, discover: true}}]}}]\nlabels: {{tags: [team]}}"
    with serve_exporter(config, aws.url) as exporter:
        exposed = Scrape(exporter.scrape())
    assert exposed.up() == {"iot_job": up}
    assert exposed.ids() == ({"there"} if up else set())
