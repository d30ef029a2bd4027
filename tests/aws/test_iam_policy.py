"""The IAM policies allow exactly the calls that the exporter makes."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from exporter.aws.iam_policy import config_policy, permissions, policy
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.kinds.kind import DESCRIBE, DISCOVER, TAGS, ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.support.exporter_server import serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.processes import run_exporter, usage_errors
from tests.support.simulated_responses import MODELS

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"
OPERATION = "  - {{kind: {}, id: one, account: '{}', region: eu-west-1, timeline: [{{at: 0s, status: {}}}]}}"
SCENARIO = f"accounts: ['{ACCOUNT}', '{OTHER_ACCOUNT}']\noperations:\n" + "\n".join(
    OPERATION.format(kind.name, account, min(kind.active)) for kind in KINDS for account in (ACCOUNT, OTHER_ACCOUNT)
)
# Actions without a call of the same name: one needs no permission, the other is a dependent action.
NOT_COMPARED = {"sts:GetCallerIdentity", "sts:TagSession"}


def watch_entry(kind: Kind[Any], *purposes: str) -> str:
    switches = "".join(f", {purpose}: true" for purpose in purposes if purpose != TAGS)
    return f"{{kind: {kind.name}, ids: [one]{switches}}}"


def configuration(accounts: str, *purposes: str) -> str:
    """Return a configuration of accounts, with tags if they are a purpose."""
    return f"accounts: [{accounts}]\n" + ("labels: {tags: [team]}\n" if TAGS in purposes else "")


def actions(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def dependent_actions(kinds: Iterable[Kind[Any]]) -> set[str]:
    return {action for kind in kinds for call in kind.calls for action in call.dependent_actions}


def called_actions(config: str) -> set[str]:
    """Return the actions of the calls that an exporter makes to the simulator."""
    with serve_simulation(config, SCENARIO) as simulation:
        exposed = Scrape(simulation.exporter.scrape())
        assert simulation.requests
    assert {value for _, value in exposed.rows("aws_iot_bulk_exporter_up")} == {1}
    rows = exposed.rows("aws_iot_bulk_exporter_api_requests_total")
    return {MODELS.iam_action(ApiCall(row["aws_service"], row["api"], quota=1)) for row, _ in rows}


@pytest.mark.parametrize(
    ("kind", "purpose"),
    [(kind, purpose) for kind in KINDS for purpose in kind.purposes],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_policy_of_a_purpose_allows_exactly_its_calls(kind: Kind[Any], purpose: str) -> None:
    purposes = [purpose] if purpose != DESCRIBE else []
    config = configuration(f"{{account_id: '{ACCOUNT}', watch: [{watch_entry(kind, *purposes)}]}}", *purposes)
    allowed = actions(config_policy(parse_config(config, KINDS), KINDS, MODELS))
    assert called_actions(config) == allowed - dependent_actions([kind])


def test_the_complete_policy_allows_exactly_the_calls_of_all_kinds_in_two_accounts() -> None:
    watch = ", ".join(watch_entry(kind, *kind.purposes.keys() - {DESCRIBE}) for kind in KINDS)
    accounts = f"{{name: own, watch: [{watch}]}}, {{name: other, role_arn: '{ROLE}', watch: [{watch}]}}"
    config = configuration(accounts, TAGS)
    parsed = parse_config(config, KINDS)
    called, ignored = called_actions(config) - NOT_COMPARED, NOT_COMPARED | dependent_actions(KINDS)
    assert called == actions(config_policy(parsed, KINDS, MODELS)) - ignored
    assert called - {"sts:AssumeRole"} == actions(policy(KINDS, MODELS)) - dependent_actions(KINDS)
    assert config_policy(parsed, KINDS, MODELS, "other") == policy(KINDS, MODELS)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.failures], ids=lambda kind: kind.name)
def test_the_policy_for_failed_items_allows_their_calls_and_only_on_request(kind: Kind[Any]) -> None:
    config = configuration(f"{{account_id: '{ACCOUNT}', watch: [{watch_entry(kind)}]}}")
    without, complete = (
        config_policy(parse_config(config, KINDS), KINDS, MODELS, failures=failures) for failures in (False, True)
    )
    (added,) = [statement for statement in complete["Statement"] if statement not in without["Statement"]]
    assert complete == config_policy(parse_config(f"{config}failures: true\n", KINDS), KINDS, MODELS)
    assert kind.failures is not None
    assert added["Sid"].endswith("Failures")
    assert set(added["Action"]) == {MODELS.iam_action(call) for call in kind.failures.calls}
    assert added in policy(KINDS, MODELS, failures=True)["Statement"]
    assert added not in policy(KINDS, MODELS)["Statement"]


def test_each_statement_has_a_unique_valid_id() -> None:
    sids = [statement["Sid"] for statement in policy(KINDS, MODELS, failures=True)["Statement"]]
    assert len(set(sids)) == len(sids)
    assert [sid for sid in sids if not re.fullmatch("[A-Za-z0-9]+", sid)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_statement_mixes_resources_with_a_wildcard(kind: Kind[Any]) -> None:
    for permission in permissions(kind, MODELS, kind.every_purpose):
        assert permission.resources == ("*",) or "*" not in permission.resources


def test_an_account_with_a_role_has_its_own_policy_and_the_process_may_assume_the_role() -> None:
    tasks, jobs = (f"{{kind: {name}, discover: true}}" for name in ("thing_registration_task", "iot_job"))
    accounts = f"{{name: a, watch: [{jobs}]}}, {{name: b, role_arn: '{ROLE}', watch: [{tasks}]}}"
    config = parse_config(configuration(accounts), KINDS)
    own = config_policy(config, KINDS, MODELS)["Statement"]
    first, second = (actions(config_policy(config, KINDS, MODELS, account)) for account in ("a", "b"))
    assert own[-1]["Resource"] == [ROLE]
    assert first == actions({"Statement": own[:-1]})
    assert first & second == set()


def test_a_policy_is_limited_to_regions_if_every_account_has_some() -> None:
    first = "{name: one, regions: [us-east-1, eu-west-1]}"
    second = f"{first}, {{name: two, account_id: '{OTHER_ACCOUNT}'"
    for accounts, regions in [
        (first, ["eu-west-1", "us-east-1"]),
        (f"{second}, regions: [eu-north-1]}}", ["eu-north-1", "eu-west-1", "us-east-1"]),
        (f"{second}}}", []),
    ]:
        statements = config_policy(parse_config(configuration(accounts), KINDS), KINDS, MODELS)["Statement"]
        condition = {"StringEquals": {"aws:RequestedRegion": regions}} if regions else None
        assert [statement.get("Condition") for statement in statements] == [condition] * len(statements)


def test_the_prefix_of_an_action_is_the_signing_name() -> None:
    assert MODELS.iam_action(ApiCall("greengrassv2", "GetDeployment", quota=50)) == "greengrass:GetDeployment"
    assert MODELS.iam_action(ApiCall("iot", "DescribeJob", quota=10)) == "iot:DescribeJob"


def test_show_prints_the_policy_for_failed_items_on_request(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(f"{{name: a, watch: [{watch_entry(KINDS[1])}]}}"))
    for flags, expected in (
        ((), policy(KINDS, MODELS, failures=True)),
        ((f"--config.file={file}",), config_policy(parse_config(file.read_text(), KINDS), KINDS, MODELS, None, True)),
    ):
        done = run_exporter("show", "iam-policy", "--failures", *flags)
        assert (done.returncode, json.loads(done.stdout)) == (0, expected)


def test_show_prints_the_policies_of_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    watch = watch_entry(KINDS[0], DISCOVER)
    secret = "external_id: s3cret"
    file.write_text(configuration(f"{{name: a, watch: [{watch}]}}, {{name: b, role_arn: '{ROLE}', {secret}}}"))
    config = parse_config(file.read_text(), KINDS)
    for account, flags in ((None, []), ("a", ["--account=a"]), ("b", ["--account=b"])):
        done = run_exporter("show", "iam-policy", f"--config.file={file}", *flags)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == config_policy(config, KINDS, MODELS, account)
        assert "s3cret" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("iam-policy", "--account=a"), "--account: needs --config.file"),
        (("iam-policy", "--role=a"), "--role: needs --config.file"),
        (("metrics", "--role=a"), "--role: not used by metrics, only by iam-policy"),
        (
            ("iam-policy", "--config.file=config.example.yaml", "--account=field", "--role=a"),
            "--account, --role: use only one of them",
        ),
        (
            ("iam-policy", "--config.file=config.example.yaml", "--account=none"),
            "--account: the configuration has no such account; expected any of factory, field",
        ),
        (("metrics", "--failures"), "--failures: not used by metrics, only by iam-policy"),
        (
            ("iam-policy", "--config.file=/none"),
            "/none: cannot read the file: No such file or directory; correct the path, or create the file",
        ),
        (
            ("metrics", "--config.file=config.example.yaml"),
            "--config.file: not used by metrics, only by iam-policy",
        ),
    ],
)
def test_invalid_flags_for_a_policy_are_refused(arguments: tuple[str, ...], reason: str) -> None:
    assert usage_errors("show", *arguments) == [reason]


def test_the_policy_of_an_organization_allows_its_calls_and_its_roles() -> None:
    text = "organizations: [{role_name: exporter, include: {units: [r-ab12], tags: [a=b]}, regions: [eu-west-1]}]"
    document = config_policy(parse_config(text, KINDS), KINDS, MODELS)
    assert document["Statement"] == [
        {
            "Sid": "Organizations",
            "Effect": "Allow",
            "Action": [
                "organizations:ListAccounts",
                "organizations:ListAccountsForParent",
                "organizations:ListOrganizationalUnitsForParent",
                "organizations:ListTagsForResource",
            ],
            "Resource": ["*"],
        },
        {
            "Sid": "RolesOfMembers",
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Resource": ["arn:aws:iam::*:role/exporter"],
            "Condition": {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}},
        },
    ]


def test_a_role_that_reads_the_organization_is_assumed() -> None:
    role = "arn:aws-cn:iam::111122223333:role/reader"
    text = f"organizations: [{{role_name: exporter, role_arn: '{role}'}}]"
    (statement,) = config_policy(parse_config(text, KINDS), KINDS, MODELS)["Statement"]
    assert statement["Resource"] == ["arn:aws-cn:iam::*:role/exporter", role]
    # The exporter can be outside of the organization that a role of it reads.
    assert "Condition" not in statement


READER = f"arn:aws:iam::{ACCOUNT}:role/reader"
TWO_ORGANIZATIONS = f"""
organizations:
  - {{role_name: exporter, role_arn: '{READER}', regions: [eu-west-1], include: {{tags: [a=b]}},
     watch: [{{kind: iot_job, discover: true}}]}}
  - {{role_name: second, watch: [{{kind: greengrass_bulk_deployment, ids: [one], details: true}}]}}
"""
MEMBER_OF_FIRST, MEMBER_OF_SECOND = (
    {"iot:ListJobs", "iot:DescribeJob"},
    # Its organization has all Regions.
    {"greengrass:GetBulkDeploymentStatus", "greengrass:ListBulkDeploymentDetailedReports", "account:ListRegions"},
)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (READER, {"organizations:ListAccounts", "organizations:ListTagsForResource"}),
        ("exporter", MEMBER_OF_FIRST),
        (f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter", MEMBER_OF_FIRST),
        ("second", MEMBER_OF_SECOND),
    ],
)
def test_show_prints_the_policy_of_each_role_of_an_organization(tmp_path: Path, role: str, expected: set[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(TWO_ORGANIZATIONS)
    done = run_exporter("show", "iam-policy", f"--config.file={file}", f"--role={role}")
    assert (done.returncode, done.stderr) == (0, "")
    assert actions(json.loads(done.stdout)) == expected


def test_the_policy_of_a_member_role_is_limited_to_the_regions_of_its_organization() -> None:
    config = parse_config(TWO_ORGANIZATIONS, KINDS)
    limited, everywhere = (
        [statement.get("Condition") for statement in config_policy(config, KINDS, MODELS, role=role)["Statement"]]
        for role in ("exporter", "second")
    )
    assert limited == [{"StringEquals": {"aws:RequestedRegion": ["eu-west-1"]}}] * 2
    assert everywhere == [None] * 3


def test_a_role_that_reads_the_organization_and_is_in_each_account_has_both_policies() -> None:
    config = parse_config(TWO_ORGANIZATIONS.replace("role/reader", "role/exporter"), KINDS)
    both = config_policy(config, KINDS, MODELS, role=READER.replace("reader", "exporter"))
    assert actions(both) == {"organizations:ListAccounts", "organizations:ListTagsForResource", *MEMBER_OF_FIRST}


def test_the_policy_of_the_role_of_an_account_is_the_policy_of_the_account() -> None:
    accounts = f"{{name: a}}, {{name: b, role_arn: '{ROLE}', watch: [{watch_entry(KINDS[0])}]}}"
    config = parse_config(configuration(accounts), KINDS)
    policy_of_account = config_policy(config, KINDS, MODELS, "b", failures=True)
    assert config_policy(config, KINDS, MODELS, failures=True, role=ROLE) == policy_of_account


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TWO_ORGANIZATIONS, f"expected any of {READER}, exporter, second"),
        (configuration(f"{{role_arn: '{ROLE}'}}"), f"expected any of {ROLE}"),
        (configuration("{}"), "it has none"),
    ],
)
def test_an_unknown_role_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_policy(parse_config(text, KINDS), KINDS, MODELS, role="porter")
    assert caught.value.problems == (f"--role: the configuration has no such role; {expected}",)


@pytest.mark.parametrize(
    ("account", "is_allowed"),
    [
        ("regions: all", True),
        ("regions: [eu-west-1]", False),
        (f"role_arn: '{ROLE}', regions: all", True),
        (f"role_arn: '{ROLE}'", False),
        ("role_arn: 'arn:aws-cn:iam::444455556666:role/exporter', regions: all", False),
    ],
)
def test_only_accounts_with_regions_that_must_be_enabled_may_read_their_regions(account: str, is_allowed: bool) -> None:
    config = parse_config(configuration(f"{{name: a, {account}}}"), KINDS)
    regions = {"Sid": "Regions", "Effect": "Allow", "Action": ["account:ListRegions"], "Resource": ["*"]}
    assert (regions in config_policy(config, KINDS, MODELS, "a")["Statement"]) is is_allowed
    is_direct = "role_arn" not in account
    assert (regions in config_policy(config, KINDS, MODELS)["Statement"]) is (is_allowed and is_direct)
    assert "account:ListRegions" not in actions(policy(KINDS, MODELS))
