"""The permissions of the kinds, as the documents and the templates in ``deploy/aws`` show them."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from textwrap import indent
from typing import Any

import yaml

from exporter.aws.iam_policy import DEPENDENT, Permission, permissions
from exporter.kinds.kind import DESCRIBE, DISCOVER, FAILURES, TAGS, Kind
from exporter.kinds.registry import KINDS
from tests.support.repository import ROOT
from tests.support.simulated_responses import MODELS

# Every watched kind needs these purposes. The other ones depend on the configuration.
ALWAYS = (DESCRIBE, DEPENDENT)
ANY_PARTITION = "arn:*:"
OF_EVERY_KIND = {
    DISCOVER: "Find operations by AWS's lists.",
    TAGS: "Read the tags that a description lacks.",
    FAILURES: "Find failed items and their reasons with the command failures or the setting failures.",
}


def permissions_table(kinds: Sequence[Kind[Any]]) -> str:
    """Return the Markdown table of the permissions by kind and purpose."""
    head = ("| kind | purpose | actions | resource | needed |", "|---|---|---|---|---|")
    return "\n".join((*head, *(_row(permission) for _, permission in _permissions(kinds))))


def terraform_data(kinds: Sequence[Kind[Any]]) -> str:
    """Return the permissions as JSON for the Terraform module."""
    rows = [
        {
            "kind": permission.kind,
            "by_default": kind.by_default,
            "purpose": permission.purpose,
            "sid": permission.sid,
            "actions": permission.actions,
            "resources": permission.resources,
        }
        for kind, permission in _permissions(kinds)
    ]
    return json.dumps(rows, indent=2) + "\n"


def cloudformation_parameters(kinds: Sequence[Kind[Any]]) -> str:
    """Return the parameters: a switch for each kind and for each optional purpose."""
    of_kinds = {_word(kind.name): _switch(f"Watch each {kind.title}.", kind.by_default) for kind in kinds}
    options = {option.name: option.help for kind in kinds for option in kind.options}
    optional = {**OF_EVERY_KIND, **options}.items()
    of_purposes = {_word(name): _switch(help, name == DISCOVER) for name, help in optional}
    return _yaml({**of_kinds, **of_purposes}, 2)


def cloudformation_conditions(kinds: Sequence[Kind[Any]]) -> str:
    """Return a condition for each statement."""
    return _yaml({permission.sid: _condition(permission) for _, permission in _permissions(kinds)}, 2)


def cloudformation_statements(kinds: Sequence[Kind[Any]]) -> str:
    """Return the statements, each with its condition."""
    return _yaml([_if(permission.sid, _statement(permission)) for _, permission in _permissions(kinds)], 14)


def wanted_statements(
    kinds: Collection[str], purposes: Collection[str], partition: str, regions: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the statements that a template must produce for these kinds and purposes."""
    found = [
        permission
        for _, permission in _permissions(KINDS)
        if permission.kind in kinds and permission.purpose in (*ALWAYS, *purposes)
    ]
    statements = [permission.statement(regions) for permission in found]
    for statement in statements:
        statement["Resource"] = [text.replace(ANY_PARTITION, f"arn:{partition}:") for text in statement["Resource"]]
    # A role for all Regions also reads which of them are enabled. Other partitions have no opt-in Regions.
    listing = {"Sid": "Regions", "Effect": "Allow", "Action": ["account:ListRegions"], "Resource": ["*"]}
    return statements + ([listing] if statements and not regions and partition == "aws" else [])


def documented_trust(sid: str) -> dict[str, Any]:
    """Return the trust policy in docs/aws-permissions.md whose statement has this id."""
    page = (ROOT / "docs" / "aws-permissions.md").read_text(encoding="utf-8")
    documents = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    (found,) = [document for document in documents if document["Statement"][0]["Sid"] == sid]
    return dict(found)


def _permissions(kinds: Sequence[Kind[Any]]) -> Iterator[tuple[Kind[Any], Permission]]:
    return ((kind, permission) for kind in kinds for permission in permissions(kind, MODELS, kind.every_purpose))


def _row(permission: Permission) -> str:
    needed = "always" if permission.purpose in ALWAYS else f"with `{permission.purpose}`"
    lists = (permission.actions, permission.resources)
    actions, resources = ("<br>".join(f"`{text}`" for text in texts) for texts in lists)
    return f"| `{permission.kind}` | {permission.purpose} | {actions} | {resources} | {needed} |"


def _word(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _switch(description: str, default: bool) -> dict[str, Any]:
    values = ["true", "false"]
    return {"Type": "String", "Description": description, "AllowedValues": values, "Default": str(default).lower()}


def _condition(permission: Permission) -> dict[str, Any]:
    names = [permission.kind] if permission.purpose in ALWAYS else [permission.kind, permission.purpose]
    tests = [{"Fn::Equals": [{"Ref": _word(name)}, "true"]} for name in names]
    return tests[0] if len(tests) == 1 else {"Fn::And": tests}


def _statement(permission: Permission) -> dict[str, Any]:
    resources = [_in_partition(resource) for resource in permission.resources]
    within = {"StringEquals": {"aws:RequestedRegion": {"Ref": "Regions"}}}
    return {**permission.statement(), "Resource": resources, "Condition": _if("InRegions", within)}


def _if(condition: str, content: Any) -> dict[str, Any]:
    return {"Fn::If": [condition, content, {"Ref": "AWS::NoValue"}]}


def _in_partition(resource: str) -> Any:
    if not resource.startswith(ANY_PARTITION):
        return resource
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:{resource.removeprefix(ANY_PARTITION)}"}


def _yaml(content: Any, spaces: int) -> str:
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=1000)
    return indent(text, " " * spaces).rstrip("\n")
