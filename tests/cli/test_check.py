"""``check --live`` makes each type of call once for each cell, and names missing permissions."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exporter.aws.models import Models
from exporter.collector.listing import Lists, list_numbers
from exporter.config.sections import Discover
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment
from tests.support.processes import run_exporter
from tests.support.servers import serve_app

SECRETS = ("s3cret-external-id", "s3cret-access-key", "s3cret-token")
ROLE = "arn:aws:iam::444455556666:role/exporter"
OPERATIONS = f"""
accounts: ["111122223333", "444455556666"]
roles: [{{arn: "{ROLE}", external_id: {SECRETS[0]}}}]
operations:
  - {{kind: thing_registration_task, id: t1, region: eu-west-1, timeline: [{{at: 0s, status: InProgress}}]}}
  - {{kind: greengrass_bulk_deployment, id: g1, region: eu-west-1, timeline: [{{at: 0s, status: Running}}]}}
  - {{kind: iot_job, id: j1, region: eu-west-1, timeline: [{{at: 0s, status: SCHEDULED}}]}}
  - {{kind: greengrass_deployment, id: d1, region: eu-west-1, timeline: [{{at: 0s, status: ACTIVE}}]}}
  - {{kind: thing_registration_task, id: t2, region: us-east-1, account: "444455556666",
     timeline: [{{at: 0s, status: Completed}}]}}
"""
WATCH = """
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: greengrass_bulk_deployment, discover: true, details: true}
      - {kind: iot_job, discover: true}
      - {kind: greengrass_deployment, discover: true}
"""
TAGS = "labels: {tags: [team]}"


FAILED_OPERATIONS = {
    name: f"  - {{kind: {name}, id: failed, region: eu-central-1, items: 4, "
    f"timeline: [{{at: 0s, status: {status}, done: 1.0, failed: 0.5}}]}}\n"
    for name, status in (
        ("thing_registration_task", "Completed"),
        ("greengrass_bulk_deployment", "Completed"),
        ("iot_job", "COMPLETED"),
        ("greengrass_deployment", "COMPLETED"),
    )
}


def check(
    folder: Path, accounts: str, more: str = TAGS, faults: str = "", operations: str = ""
) -> tuple[int, list[str]]:
    """Run ``check --live`` with credentials of the first simulated account; return its exit status and lines."""
    scenario = parse_scenario(OPERATIONS + operations + (f"faults: [{faults}]\n" if faults else ""), KINDS)
    with serve_app(application(scenario, KINDS, Models())) as endpoint:
        return check_endpoint(endpoint, folder, accounts, more)


def check_endpoint(endpoint: str, folder: Path, accounts: str, more: str = TAGS) -> tuple[int, list[str]]:
    """Run ``check --live``; return its exit status and lines. They contain no secret and no role ARN."""
    config = folder / "config.yaml"
    config.write_text(f"accounts:\n{accounts}\naws: {{max_attempts: 1, read_timeout: 30s}}\n{more}\n")
    with aws_environment(endpoint, AWS_SECRET_ACCESS_KEY=SECRETS[1], AWS_SESSION_TOKEN=SECRETS[2]):
        done = run_exporter("check", "--live", f"--config.file={config}", environment=os.environ)
    assert done.stderr == ""
    assert [secret for secret in (*SECRETS, ROLE) if secret in done.stdout] == []
    return done.returncode, done.stdout.splitlines()


def test_every_call_succeeds(tmp_path: Path) -> None:
    status, lines = check(tmp_path, f"  - regions: [eu-west-1]{WATCH}")
    assert status == 0
    assert [line.removeprefix("ok     default eu-west-1 ") for line in lines] == [
        "thing_registration_task: 1 found on the first page of ListThingRegistrationTasks, t1 is InProgress",
        "greengrass_bulk_deployment: 1 found on the first page of ListBulkDeployments, g1 is Running",
        "iot_job: 2 found on the first page of ListJobs, j1 is SCHEDULED",
        "greengrass_deployment: 1 found on the first page of ListDeployments, d1 is ACTIVE",
    ]


def test_a_cell_without_operations_passes_and_names_the_calls_that_were_not_checked(tmp_path: Path) -> None:
    calls = ("DescribeThingRegistrationTask", "GetBulkDeploymentStatus", "DescribeJob", "GetDeployment and DescribeJob")
    status, lines = check(tmp_path, f"  - regions: [eu-central-1]{WATCH}")
    assert status == 0
    assert [line.partition("no operation to check ")[2] for line in lines] == [*calls]


@pytest.mark.parametrize(
    "action",
    sorted({(call.name, Models().iam_action(call)) for kind in KINDS for call in kind.calls}),
    ids=lambda action: action[1],
)
def test_a_refused_call_is_reported_with_the_missing_permission(tmp_path: Path, action: tuple[str, str]) -> None:
    api, permission = action
    fault = f'{{api: {api}, error: AccessDeniedException, status: 403, message: "{ROLE}"}}'
    status, lines = check(tmp_path, f"  - regions: [eu-west-1]{WATCH}", faults=fault)
    failed = [line for line in lines if line.startswith("FAILED ")]
    assert status == 1
    assert failed == [
        f"FAILED default eu-west-1 {kind.name}: {api}: access_denied: AWS returned AccessDeniedException (HTTP 403) "
        f"for {api}; needs the permission {permission}"
        f"{'; AWS ended its support on 2026-10-07' if kind.support_ended else ''}"
        for kind in KINDS
        if api in {call.name for call in kind.calls}
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.failures], ids=lambda kind: kind.name)
def test_a_missing_permission_of_failures_is_an_error_only_if_they_are_shown(tmp_path: Path, kind: Kind[Any]) -> None:
    assert kind.failures is not None
    call = kind.failures.calls[0]
    fault = f"{{api: {call.name}, error: AccessDeniedException, status: 403}}"
    failed = FAILED_OPERATIONS[kind.name]
    accounts = f"  - regions: [eu-central-1]\n    watch: [{{kind: {kind.name}, ids: [failed]}}]"
    cause = f"{call.name}: access_denied: AWS returned AccessDeniedException (HTTP 403) for {call.name}"
    missing = f"{cause}; needs the permission {Models().iam_action(call)}"
    cell = f"default eu-central-1 {kind.name}"

    status, lines = check(tmp_path, accounts, "", fault, failed)
    assert status == 0
    assert lines[0].startswith(f"ok     {cell}: failed is ")
    assert lines[1:] == [f"warning: {cell}: {missing}; only the command failures needs it"]

    assert check(tmp_path, accounts, "failures: true", fault, failed) == (1, [f"FAILED {cell}: {missing}"])


def test_the_permission_for_tags_is_needed_only_for_configured_tags(tmp_path: Path) -> None:
    fault = "{api: ListTagsForResource, error: AccessDeniedException, status: 403}"
    for more, expected in ((TAGS, 1), ("", 0)):
        assert check(tmp_path, f"  - regions: [eu-west-1]{WATCH}", more, fault)[0] == expected


def test_a_role_is_assumed_with_its_external_id(tmp_path: Path) -> None:
    account = f"  - {{name: field, regions: [us-east-1], role_arn: '{ROLE}', external_id: {SECRETS[0]}}}"
    status, lines = check(tmp_path, account)
    assert status == 0
    kinds = [kind.name for kind in KINDS if kind.by_default]
    assert [line.split(": ")[0] for line in lines] == [f"ok     field us-east-1 {kind}" for kind in kinds]
    assert lines[0].endswith(", t2 is Completed")


@pytest.mark.parametrize("external_id", ["", ", external_id: s3cret-but-wrong"])
def test_a_role_that_cannot_be_assumed_is_reported_as_such(tmp_path: Path, external_id: str) -> None:
    status, lines = check(tmp_path, f"  - {{regions: [us-east-1], role_arn: '{ROLE}'{external_id}}}")
    assert status == 1
    assert lines == [
        (
            "FAILED default, all 3 cells in 1 Region: cannot access the account: "
            "access_denied: no credentials from the role of account default: AWS returned AccessDenied (HTTP 403) for "
            "AssumeRole; the exporter needs sts:AssumeRole, and the role's trust policy must allow the exporter and "
            "its external_id"
        )
    ]


def test_a_dead_account_is_one_line_beside_the_lines_of_the_others(tmp_path: Path) -> None:
    dead = f"  - {{name: dead, regions: [us-east-1, eu-west-1], role_arn: '{ROLE}'}}"
    status, lines = check(tmp_path, f"{dead}\n  - name: alive\n    regions: [eu-west-1]{WATCH}")
    assert status == 1
    assert [line.split(": ")[0] for line in lines] == [
        "FAILED dead, all 6 cells in 2 Regions",
        *(f"ok     alive eu-west-1 {kind.name}" for kind in KINDS),
    ]


def test_each_configured_id_is_read_and_an_unknown_one_is_a_warning_with_its_name(tmp_path: Path) -> None:
    watch = "watch: [{kind: thing_registration_task, ids: [t1, none, gone]}, {kind: iot_job, ids: [lost]}]"
    status, lines = check(tmp_path, f"  - {{regions: [eu-west-1], {watch}}}")
    cure = "correct or remove the id, or its account and Region"
    assert status == 0
    assert lines == [
        "ok     default eu-west-1 thing_registration_task: t1 is InProgress",
        f"warning: default eu-west-1 thing_registration_task: AWS does not know none, gone; {cure}",
        "ok     default eu-west-1 iot_job: no configured id is known",
        f"warning: default eu-west-1 iot_job: AWS does not know lost; {cure}",
    ]


PLAN = """
accounts:
  - name: factory
    account_id: "111122223333"
    regions: [eu-west-1, us-east-1]
    watch:
      - {kind: iot_job, ids: [a, b], discover: {statuses: [IN_PROGRESS], unknown_statuses: true}}
      - {kind: greengrass_bulk_deployment, ids: [x], details: true}
      - {kind: thing_registration_task, discover: true}
refresh: {min_age: 30s}
"""


def test_check_prints_what_is_watched_and_the_calls_that_it_costs(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(PLAN)
    lines = run_exporter("check", f"--config.file={config}").stdout.splitlines()
    assumed = "if a scrape refreshes every 30s and each list has one page"
    found = "for each active operation that it finds"
    jobs = "ids a, b and discovery of IN_PROGRESS, unknown statuses"
    # Each refresh, twice a minute: the list and two jobs. Every five minutes: the list without a status.
    # The lists of tasks: two active statuses in each refresh, three others and the list without a status sometimes.
    expected = [
        f"iot_job: {jobs}; at most 7 calls a minute, and 2 {found}",
        "greengrass_bulk_deployment: id x; at most 4 calls a minute",
        f"thing_registration_task: discovery of all statuses; at most 5 calls a minute, and 2 {found}",
    ]
    assert lines == [
        *(f"factory {region} {line}" for region in ("eu-west-1", "us-east-1") for line in expected),
        f"at most 30 calls a minute to AWS without discovered operations, {assumed}",
        f"{config}: configuration is valid (1 account, 6 cells)",
    ]


async def no_pages(*_: object, **__: object) -> AsyncIterator[Any]:
    return
    yield


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("chosen", ["all statuses", "a final status", "active statuses"])
def test_the_number_of_lists_is_the_one_of_an_hour_of_refreshes(kind: Kind[Any], chosen: str) -> None:
    final = next(status for status in kind.statuses if not kind.is_active(status))
    rules = {
        "all statuses": Discover(),
        "a final status": Discover(statuses=(final,)),
        "active statuses": Discover(statuses=tuple(kind.active), unknown_statuses=True),
    }[chosen]
    clock, api = ManualClock(), cast("Any", SimpleNamespace(pages=no_pages))
    lists = Lists(kind, rules, clock.clock())

    async def read_hour() -> int:
        number = 0
        for _ in range(360):
            for status in lists.due_statuses(()):
                await lists.read(api, status)
                number += 1
            clock.advance(10.0)
        return number

    assert asyncio.run(read_hour()) == pytest.approx(60 * list_numbers(kind, rules).per_minute(6.0), abs=1)


def test_a_failed_cell_does_not_affect_the_others(tmp_path: Path) -> None:
    fault = "{region: eu-west-1, service: greengrass, status: 503, body: down}"
    status, lines = check(tmp_path, f"  - regions: [eu-west-1, us-east-1]{WATCH}", faults=fault)
    assert status == 1
    assert [line.split()[0] for line in lines] == ["ok", "FAILED", "ok", "ok", "ok", "ok", "ok", "ok"]
    assert "ListBulkDeployments: server_error" in lines[1]


def test_an_unreachable_endpoint_is_reported(tmp_path: Path) -> None:
    account = "  - {regions: [eu-west-1], account_id: '111122223333'}"
    status, lines = check_endpoint("http://127.0.0.1:9", tmp_path, account)
    assert status == 1
    assert "ListThingRegistrationTasks: connection" in lines[0]


TASKS = "{kind: thing_registration_task, discover: true}"


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ("regions: [eu-west-1, eu-wset-1]", "eu-wset-1; did you mean eu-west-1?"),
        (
            "regions: all, exclude_regions: [us-eats-1]",
            "us-eats-1; did you mean us-east-1?",
        ),
        (
            "regions: [cn-moon-99]",
            "cn-moon-99; correct it, unless it is a new one",
        ),
    ],
    ids=["watched", "excluded", "similar to none"],
)
def test_an_unknown_region_of_an_account_is_a_warning(tmp_path: Path, keys: str, warning: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"accounts: [{{account_id: '111122223333', {keys}, watch: [{TASKS}]}}]\n")
    done = run_exporter("check", f"--config.file={config}")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [f"warning: the AWS SDK does not know the Region {warning}"]


def test_an_unknown_region_of_an_organization_is_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"organizations: [{{role_name: reader, regions: [eu-wset-1], watch: [{TASKS}]}}]\n")
    done = run_exporter("check", f"--config.file={config}")
    assert done.returncode == 0
    warning = "the AWS SDK does not know the Region eu-wset-1; did you mean eu-west-1?"
    assert done.stderr.splitlines() == [f"warning: {warning}"]
