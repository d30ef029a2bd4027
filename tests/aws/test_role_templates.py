"""The templates of the exporter's role create the policy of the kinds and the documented trust policy."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.kinds.registry import KINDS
from tests.support.documented_permissions import documented_trust, wanted_statements
from tests.support.repository import ROOT, program

AWS = ROOT / "deploy" / "aws"
MODULE = AWS / "terraform"
ALL_KINDS = [kind.name for kind in KINDS]
BY_DEFAULT = [kind.name for kind in KINDS if kind.by_default]
ALL_PURPOSES = [*dict.fromkeys(purpose for kind in KINDS for purpose in kind.every_purpose if purpose != "describe")]
ROLES = ["arn:aws:iam::444455556666:role/iot-bulk-exporter"]
SERVICE_ACCOUNT = {"namespace": "monitoring", "service_account": "aws-iot-bulk-exporter"}
ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
TRUSTS: dict[str, dict[str, Any]] = {
    "PodIdentity": {
        "pod_identity": {"cluster_arn": "arn:aws:eks:eu-west-1:111122223333:cluster/factory", **SERVICE_ACCOUNT}
    },
    "Irsa": {"irsa": {"oidc_provider_arn": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}", **SERVICE_ACCOUNT}},
    "OtherAccount": {"trusted_roles": ["arn:aws:iam::111122223333:role/iot-bulk-exporter"], "external_id": "change-me"},
}
DEFAULTS: dict[str, Any] = {
    "partition": "aws",
    "kinds": None,
    "purposes": ["discover"],
    "regions": [],
    "assume_roles": [],
    "irsa": None,
    "pod_identity": None,
    "trusted_roles": [],
    "external_id": None,
}


def apply(folder: Path, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Evaluate the policy documents of the module with terraform, which needs no provider for them."""
    module = folder / "documents"
    shutil.copytree(MODULE / "documents", module, dirs_exist_ok=True)
    (module / "test.auto.tfvars.json").write_text(json.dumps({**DEFAULTS, **variables}))
    return terraform(module, "apply", "-auto-approve", "-input=false", "-no-color")


def terraform(module: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run terraform in a folder, without a user's configuration."""
    command = [program("terraform"), f"-chdir={module}", *arguments]
    environment = {"PATH": os.environ["PATH"], "CHECKPOINT_DISABLE": "1", "HOME": str(module)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


def documents(folder: Path, **variables: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the policy and the trust policy of the role from terraform."""
    done = apply(folder, **variables)
    assert done.returncode == 0, done.stderr
    outputs = json.loads(terraform(folder / "documents", "output", "-json").stdout)
    return json.loads(outputs["policy"]["value"]), json.loads(outputs["trust"]["value"])


@pytest.mark.parametrize(
    ("chosen", "kinds"),
    [({}, BY_DEFAULT), ({"kinds": ALL_KINDS, "purposes": ALL_PURPOSES}, ALL_KINDS)]
    + [({"kinds": [kind], "purposes": []}, [kind]) for kind in ALL_KINDS],
    ids=["default", "everything", *ALL_KINDS],
)
def test_terraform_creates_the_policy_of_the_kinds(tmp_path: Path, chosen: dict[str, Any], kinds: list[str]) -> None:
    policy, _ = documents(tmp_path, **chosen, **TRUSTS["OtherAccount"])
    purposes = chosen.get("purposes", DEFAULTS["purposes"])
    assert policy == {"Version": "2012-10-17", "Statement": wanted_statements(kinds, purposes, "aws", [])}


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-eusc"])
def test_terraform_uses_the_partition_and_the_regions(tmp_path: Path, partition: str) -> None:
    regions = ["one-region-1", "other-region-2"]
    policy, _ = documents(tmp_path, partition=partition, regions=regions, **TRUSTS["OtherAccount"])
    assert policy["Statement"] == wanted_statements(BY_DEFAULT, ["discover"], partition, regions)


@pytest.mark.parametrize("sid", TRUSTS)
def test_terraform_creates_the_documented_trust_policy(tmp_path: Path, sid: str) -> None:
    _, trust = documents(tmp_path, **TRUSTS[sid])
    assert trust == documented_trust(sid)


@pytest.mark.parametrize("sid", TRUSTS)
def test_terraform_allows_tagging_sessions_only_with_pod_identity(tmp_path: Path, sid: str) -> None:
    policy, _ = documents(tmp_path, kinds=[], assume_roles=ROLES, **TRUSTS[sid])
    (statement,) = policy["Statement"]
    tags = ["sts:TagSession"] if sid == "PodIdentity" else []
    assert (statement["Action"], statement["Resource"]) == (["sts:AssumeRole", *tags], ROLES)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({**TRUSTS["Irsa"], "kinds": ["iot_jobs"]}, "kinds: expected any of thing_registration_task, "),
        ({**TRUSTS["Irsa"], "purposes": ["tag"]}, "purposes: expected any of details, discover, failures, tags."),
        ({**TRUSTS["Irsa"], "kinds": []}, "kinds, assume_roles: set at least one of them"),
        ({}, "irsa, pod_identity, trusted_roles: set at least one of them"),
    ],
)
def test_terraform_refuses_invalid_variables(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    done = apply(tmp_path, **variables)
    assert done.returncode == 1
    assert message in re.sub(r"[\s│]+", " ", done.stderr)


def stack_set_parameters(folder: Path, **variables: Any) -> dict[str, str]:
    """Return the parameters of the StackSet from terraform, which needs no provider for them."""
    shutil.copytree(MODULE / "documents", folder / "documents")
    module = folder / "organization"
    module.mkdir()
    for name in ("parameters.tf", "variables.tf"):
        shutil.copy(MODULE / "organization" / name, module)
    (module / "outputs.tf").write_text('output "parameters" {\n  value = local.parameters\n  sensitive = true\n}\n')
    required = {"organizational_unit_ids": ["r-ab12"], "trusted_roles": ROLES}
    (module / "test.auto.tfvars.json").write_text(json.dumps({**required, **variables}))
    done = terraform(module, "apply", "-auto-approve", "-input=false", "-no-color")
    assert done.returncode == 0, done.stderr
    parameters: dict[str, str] = json.loads(terraform(module, "output", "-json").stdout)["parameters"]["value"]
    return parameters


def template_parameters() -> dict[str, dict[str, Any]]:
    """Return the parameters of the CloudFormation template."""
    text = (AWS / "cloudformation.yaml").read_text()
    parameters: dict[str, dict[str, Any]] = yaml.safe_load(text[text.index("Parameters:") : text.index("Rules:")])
    return parameters["Parameters"]


@pytest.mark.parametrize(
    ("variables", "changed"),
    [
        ({}, {}),
        (
            {
                "name": "exporter",
                "external_id": "change-me",
                "regions": ["eu-west-1", "us-east-1"],
                "kinds": ["iot_job"],
                "purposes": ["tags", "details"],
            },
            {
                "RoleName": "exporter",
                "ExternalId": "change-me",
                "Regions": "eu-west-1,us-east-1",
                "ThingRegistrationTask": "false",
                "GreengrassDeployment": "false",
                "Discover": "false",
                "Tags": "true",
                "Details": "true",
            },
        ),
    ],
    ids=["default", "chosen"],
)
def test_the_stack_set_sets_every_parameter_of_the_template(
    tmp_path: Path, variables: dict[str, Any], changed: dict[str, str]
) -> None:
    defaults = {name: parameter.get("Default") for name, parameter in template_parameters().items()}
    expected = {**defaults, "Trust": "role", "TrustedRoleArns": ",".join(ROLES), **changed}
    assert stack_set_parameters(tmp_path, **variables) == expected


def test_the_stack_set_removes_each_no_echo_of_the_template() -> None:
    main, template = (MODULE / "organization" / "main.tf").read_text(), (AWS / "cloudformation.yaml").read_text()
    (text,) = re.findall(r'replace\(file\("\$\{path.module\}/../../cloudformation.yaml"\), "(.*?)", ""\)', main)
    assert "NoEcho" in template
    assert "NoEcho" not in template.replace(text.replace("\\n", "\n"), "")


def test_the_terraform_files_are_formatted_and_use_every_variable() -> None:
    done = terraform(MODULE, "fmt", "-check", "-recursive", "-diff")
    assert (done.returncode, done.stdout) == (0, "")
    main = (MODULE / "main.tf").read_text()
    inner = re.findall(r'^variable "(\w+)"', (MODULE / "documents" / "variables.tf").read_text(), re.MULTILINE)
    outer = re.findall(r'^variable "(\w+)"', (MODULE / "variables.tf").read_text(), re.MULTILINE)
    assert set(inner) == DEFAULTS.keys()
    assert [name for name in inner if not re.search(rf"^  {name} += ", main, re.MULTILINE)] == []
    assert set(re.findall(r"\bvar\.(\w+)", main)) == set(outer)
    of_stack_set = {file.name: file.read_text() for file in (MODULE / "organization").glob("*.tf")}
    used = set(re.findall(r"\bvar\.(\w+)", of_stack_set["main.tf"] + of_stack_set["parameters.tf"]))
    assert used == set(re.findall(r'^variable "(\w+)"', of_stack_set["variables.tf"], re.MULTILINE))


@pytest.mark.parametrize("name", ["purposes", "regions"])
def test_both_modules_describe_the_purposes_and_the_regions_in_the_same_words(name: str) -> None:
    block = re.compile(rf'^variable "{name}" \{{.*?^\}}', re.MULTILINE | re.DOTALL)
    single, organization = (
        block.findall((folder / "variables.tf").read_text()) for folder in (MODULE, MODULE / "organization")
    )
    assert single == organization != []


def test_cfn_lint_accepts_the_templates() -> None:
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    templates = [str(ROOT / "deploy" / template) for template in ("aws/cloudformation.yaml", "ecs/fargate.yaml")]
    command = [linter, "--include-checks", "I", "--", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
