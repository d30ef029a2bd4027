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
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


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


def test_the_terraform_files_are_formatted_and_use_every_variable() -> None:
    done = terraform(MODULE, "fmt", "-check", "-recursive", "-diff")
    assert (done.returncode, done.stdout) == (0, "")
    main = (MODULE / "main.tf").read_text()
    inner = re.findall(r'^variable "(\w+)"', (MODULE / "documents" / "variables.tf").read_text(), re.MULTILINE)
    outer = re.findall(r'^variable "(\w+)"', (MODULE / "variables.tf").read_text(), re.MULTILINE)
    assert set(inner) == DEFAULTS.keys()
    assert [name for name in inner if not re.search(rf"^  {name} += ", main, re.MULTILINE)] == []
    assert set(re.findall(r"\bvar\.(\w+)", main)) == set(outer)


@pytest.mark.parametrize("template", ["aws/cloudformation.yaml", "ecs/fargate.yaml"])
def test_cfn_lint_accepts_the_template(template: str) -> None:
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, "--include-checks", "I", "--", str(ROOT / "deploy" / template)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
