"""The IAM policies allow the calls that are made: none is refused, and none is allowed that nobody makes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from exporter.aws.iam_policy import permissions, policy, policy_of
from exporter.cli.main import PROGRAM
from exporter.config.loader import parse_config
from exporter.kinds.kind import DESCRIBE, DISCOVER, TAGS, ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.support.exporter_server import serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.repository import ROOT
from tests.support.simulated_responses import MODELS

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"
OPERATION = "  - {{kind: {}, id: one, account: '{}', region: eu-west-1, timeline: [{{at: 0s, status: {}}}]}}"
SCENARIO = f"accounts: ['{ACCOUNT}', '{OTHER_ACCOUNT}']\noperations:\n" + "\n".join(
    OPERATION.format(kind.name, account, min(kind.active)) for kind in KINDS for account in (ACCOUNT, OTHER_ACCOUNT)
)
UNASKED = {"sts:GetCallerIdentity", "sts:TagSession"}
"""What needs no permission, and what AWS asks of the caller of another API."""

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def watching(kind: Kind[Any], *purposes: str) -> str:
    """Return what an account watches of a kind for these purposes besides describing one operation."""
    switches = "".join(f", {purpose}: true" for purpose in purposes if purpose != TAGS)
    return f"{{kind: {kind.name}, ids: [one]{switches}}}"


def configuration(accounts: str, *purposes: str) -> str:
    """Return a configuration of these accounts, with tags if they are a purpose."""
    return f"accounts: [{accounts}]\n" + ("labels: {tags: [team]}\n" if TAGS in purposes else "")


def actions(document: dict[str, Any]) -> set[str]:
    """Return what a policy allows."""
    return {action for statement in document["Statement"] for action in statement["Action"]}


def dependent(kinds: Iterable[Kind[Any]]) -> set[str]:
    """Return the actions that AWS asks of the caller besides the calls' own."""
    return {action for kind in kinds for call in kind.calls for action in call.dependent_actions}


def called(config: str) -> set[str]:
    """Return the actions of the calls that a real exporter makes of the simulated AWS."""
    with serve_simulation(config, SCENARIO) as simulation:
        exposed = Scrape(simulation.exporter.scrape())
        assert simulation.requests
    assert {value for _, value in exposed.rows("aws_iot_bulk_exporter_up")} == {1}
    rows = exposed.rows("aws_iot_bulk_exporter_api_requests_total")
    return {MODELS.iam_action(ApiCall(row["service"], row["api"], quota=1)) for row, _ in rows}


@pytest.mark.parametrize(
    ("kind", "purpose"),
    [(kind, purpose) for kind in KINDS for purpose in kind.purposes],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_each_purpose_of_a_kind_calls_what_its_policy_allows_and_nothing_else(kind: Kind[Any], purpose: str) -> None:
    purposes = [purpose] if purpose != DESCRIBE else []
    config = configuration(f"{{account_id: '{ACCOUNT}', watch: [{watching(kind, *purposes)}]}}", *purposes)
    allowed = actions(policy_of(parse_config(config, KINDS), KINDS, MODELS))
    assert called(config) == allowed - dependent([kind])


def test_all_kinds_with_all_purposes_in_two_accounts_call_what_the_whole_policy_allows() -> None:
    watch = ", ".join(watching(kind, *kind.purposes.keys() - {DESCRIBE}) for kind in KINDS)
    accounts = f"{{name: own, watch: [{watch}]}}, {{name: other, role_arn: '{ROLE}', watch: [{watch}]}}"
    config = configuration(accounts, TAGS)
    parsed = parse_config(config, KINDS)
    made = called(config)
    assert made - UNASKED == actions(policy_of(parsed, KINDS, MODELS)) - dependent(KINDS) - UNASKED
    assert made - UNASKED - {"sts:AssumeRole"} == actions(policy(KINDS, MODELS)) - dependent(KINDS)
    assert policy_of(parsed, KINDS, MODELS, "other") == policy(KINDS, MODELS)


def test_each_statement_has_a_name_of_its_own_that_iam_takes() -> None:
    sids = [statement["Sid"] for statement in policy(KINDS, MODELS)["Statement"]]
    assert len(set(sids)) == len(sids)
    assert [sid for sid in sids if not re.fullmatch("[A-Za-z0-9]+", sid)] == []


@every_kind
def test_no_call_without_a_resource_widens_what_another_may_be_narrowed_to(kind: Kind[Any]) -> None:
    for permission in permissions(kind, MODELS):
        assert permission.resources == ("*",) or "*" not in permission.resources


def test_an_account_with_a_role_needs_its_own_policy_and_the_exporter_s_names_the_role() -> None:
    jobs, tasks = (
        f"{{kind: {kind.name}, discover: true}}"
        for kind in KINDS
        if kind.name in ("iot_job", "thing_registration_task")
    )
    accounts = f"{{name: a, watch: [{jobs}]}}, {{name: b, role_arn: '{ROLE}', watch: [{tasks}]}}"
    config = parse_config(configuration(accounts), KINDS)
    own = policy_of(config, KINDS, MODELS)["Statement"]
    assert own[-1]["Resource"] == [ROLE]
    assert actions(policy_of(config, KINDS, MODELS, "a")) == actions({"Statement": own[:-1]})
    assert actions(policy_of(config, KINDS, MODELS, "a")) & actions(policy_of(config, KINDS, MODELS, "b")) == set()


def test_a_policy_is_narrowed_to_the_regions_that_every_account_names() -> None:
    one = "{name: one, regions: [us-east-1, eu-west-1]}"
    for accounts, regions in [
        (one, {"eu-west-1", "us-east-1"}),
        (
            f"{one}, {{name: two, account_id: '{OTHER_ACCOUNT}', regions: [eu-north-1]}}",
            {"eu-north-1", "eu-west-1", "us-east-1"},
        ),
        (f"{one}, {{name: two, account_id: '{OTHER_ACCOUNT}'}}", None),
    ]:
        statements = policy_of(parse_config(configuration(accounts), KINDS), KINDS, MODELS)["Statement"]
        wanted = {"StringEquals": {"aws:RequestedRegion": sorted(regions)}} if regions else None
        assert [statement.get("Condition") for statement in statements] == [wanted] * len(statements)


def test_iam_knows_greengrass_v2_by_the_name_that_signs_its_calls() -> None:
    assert MODELS.iam_action(ApiCall("greengrassv2", "GetDeployment", quota=50)) == "greengrass:GetDeployment"
    assert MODELS.iam_action(ApiCall("iot", "DescribeJob", quota=10)) == "iot:DescribeJob"


def show(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``show`` to its end."""
    command = [sys.executable, "-m", "exporter", "show", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


def test_show_prints_the_policies_of_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    watch = watching(KINDS[0], DISCOVER)
    secret = "external_id: s3cret"
    file.write_text(configuration(f"{{name: a, watch: [{watch}]}}, {{name: b, role_arn: '{ROLE}', {secret}}}"))
    config = parse_config(file.read_text(), KINDS)
    for account, flags in ((None, []), ("a", ["--account=a"]), ("b", ["--account=b"])):
        done = show("iam-policy", f"--config.file={file}", *flags)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == policy_of(config, KINDS, MODELS, account)
        assert "s3cret" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("iam-policy", "--account=a"), "--account: needs --config.file"),
        (
            ("iam-policy", "--config.file=config.example.yaml", "--account=none"),
            "--account: the configuration has no such account; expected any of default",
        ),
        (("iam-policy", "--config.file=/none"), "cannot read /none: No such file or directory"),
        (
            ("metrics", "--config.file=config.example.yaml"),
            "--config.file, --account: not used by metrics, only by iam-policy",
        ),
    ],
)
def test_a_policy_that_cannot_be_printed_is_refused(arguments: tuple[str, ...], reason: str) -> None:
    done = show(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{PROGRAM}: {reason}\n"
