"""The template for Fargate on ministack: its role, and its containers as processes of this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from tests.independent.endpoints import Endpoint, ministack
from tests.support import http_requests
from tests.support.documented_permissions import wanted_statements
from tests.support.processes import run_until_printed
from tests.support.repository import ROOT

ACCOUNT = "111122223333"
STACK = "exporter"
TEMPLATE = ROOT / "deploy" / "ecs" / "fargate.yaml"
PARAMETER = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/iot-bulk-exporter/config"
CONFIGURATION = 'accounts: [{name: "größe", watch: [{kind: iot_job, discover: true}]}]\n'
# Where the containers mount the volume with the configuration.
VOLUME = "/configuration/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with ministack(tmp_path_factory.mktemp("ministack"), ACCOUNT) as endpoint:
        yield endpoint


def create_stack(aws: Endpoint, **parameters: str) -> dict[str, dict[str, Any]]:
    """Create the stack and return its containers by name, in their order."""
    ec2 = aws.client("ec2", ACCOUNT)
    network = {
        "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "SubnetIds": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "PrometheusSecurityGroupId": ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
    }
    given = {"Image": "registry.example/aws-iot-bulk-exporter:0.1.0", **network, **parameters}
    stacks, ecs = aws.client("cloudformation", ACCOUNT), aws.client("ecs", ACCOUNT)
    ecs.create_cluster(clusterName="default")
    stacks.create_stack(
        StackName=STACK,
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName=STACK)
    (arn,) = ecs.list_task_definitions()["taskDefinitionArns"]
    task = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    return {container["name"]: container for container in task["containerDefinitions"]}


def role_policies(aws: Endpoint, resource: str) -> dict[str, dict[str, Any]]:
    """Return the policies of a role of the stack by their names."""
    stacks, iam = aws.client("cloudformation", ACCOUNT), aws.client("iam", ACCOUNT)
    role = stacks.describe_stack_resource(StackName=STACK, LogicalResourceId=resource)["StackResourceDetail"]
    name = role["PhysicalResourceId"]
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    return {policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in names}


def test_the_task_may_only_read_the_kinds_and_its_configuration(aws: Endpoint) -> None:
    create_stack(aws, ConfigurationArn=PARAMETER)
    by_default = [kind.name for kind in KINDS if kind.by_default]
    (task_policy,) = role_policies(aws, "TaskRole").values()
    (execution_policy,) = role_policies(aws, "ExecutionRole").values()
    assert task_policy["Statement"] == wanted_statements(by_default, ["discover"], "aws", [])
    assert [statement["Resource"] for statement in execution_policy["Statement"]] == [PARAMETER]


def test_a_task_without_a_configuration_has_one_container(aws: Endpoint) -> None:
    containers = create_stack(aws)
    assert [(name, container["command"]) for name, container in containers.items()] == [("exporter", ["serve"])]
    assert role_policies(aws, "ExecutionRole") == {}


def test_the_containers_write_the_configuration_and_serve_it(aws: Endpoint, tmp_path: Path) -> None:
    containers = create_stack(aws, ConfigurationArn=PARAMETER)
    aws.create_job("firmware", aws.create_things("a", key=ACCOUNT), key=ACCOUNT)
    folder = f"{tmp_path}/"

    first = containers["configuration"]
    words = [word.replace(VOLUME, folder) for word in first["entryPoint"][1:] + first["command"]]
    environment = {**os.environ, "CONFIGURATION": CONFIGURATION}
    subprocess.run([sys.executable, *words], env=environment, check=True, timeout=300)

    flags = [word.replace(VOLUME, folder) for word in containers["exporter"]["command"]]
    command = [sys.executable, "-m", "exporter", *flags, "--web.listen-address=127.0.0.1:0"]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCOUNT}
    with run_until_printed(r"(?<=url=)\S+", command, tmp_path / "log", environment) as url:
        exposed = http_requests.get(url).text
    assert 'account="größe"' in exposed
    assert 'id="firmware"' in exposed
