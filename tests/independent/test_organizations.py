"""The accounts of an organization of moto: several pages, nested units, tags and a suspended account.

moto returns at most as many accounts on a page as the request says, and a token for the next page.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.cli.commands import check
from exporter.cli.exit_status import ExitStatus
from exporter.cli.main import main
from tests.independent.endpoints import Endpoint, moto
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import Scrape

ACCOUNTS = "aws_iot_bulk_exporter_organization_accounts"
UP = "aws_iot_bulk_exporter_up"
REQUESTS = "aws_iot_bulk_exporter_api_requests_total"
MANAGEMENT = "123456789012"
WATCH = "watch: [{kind: iot_job, discover: true}]"
ROLE = f"role_name: exporter, regions: [eu-west-1], {WATCH}"
MINUTE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


@dataclass
class Organization:
    """An organization of 30 accounts besides the management account, in nested units."""

    ids: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    root: str = ""


@pytest.fixture
def organization(aws: Endpoint) -> Organization:
    api, made = aws.client("organizations"), Organization()
    api.create_organization(FeatureSet="ALL")
    made.root = api.list_roots()["Roots"][0]["Id"]
    parent = made.root
    for name in ("fleet", "inner"):
        parent = api.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]
        made.units[name] = parent
    for number in range(30):
        # Two accounts have the same name.
        name = "twin" if number < 2 else f"member-{number}"
        tags = [{"Key": "fleet", "Value": "yes"}] if number in (10, 11) else []
        status = api.create_account(AccountName=name, Email=f"{number}@example.com", Tags=tags)
        made.ids[str(number)] = status["CreateAccountStatus"]["AccountId"]
    for number, unit in ((3, "fleet"), (4, "inner"), (5, "inner")):
        api.move_account(
            AccountId=made.ids[str(number)], SourceParentId=made.root, DestinationParentId=made.units[unit]
        )
    return made


def job(aws: Endpoint, account: str, id: str) -> None:
    """Create a job in a member account."""
    role = f"arn:aws:iam::{account}:role/exporter"
    key = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]["AccessKeyId"]
    aws.create_job(id, aws.create_things("a", key=key), key=key)


def config(more: str = "", accounts: str = "") -> str:
    return f"organizations: [{{{ROLE}{more}}}]\n{accounts}"


def scraped(aws: Endpoint, text: str) -> Scrape:
    return aws.scrape(text)


def test_every_account_is_found_and_its_operations_have_its_name(aws: Endpoint, organization: Organization) -> None:
    for number in ("0", "1", "29"):
        job(aws, organization.ids[number], f"job-{number}")
    exposed = scraped(aws, config())
    # The management account is a member too. A page has 20 accounts.
    assert exposed.value(ACCOUNTS) == 31
    assert exposed.value(REQUESTS, api="ListAccounts") == 2
    assert exposed.ids(aws_account_id=organization.ids["29"]) == {"job-29"}
    twins = {f"twin-{organization.ids[number]}" for number in ("0", "1")}
    assert exposed.by("account", UP).keys() == {"member-29", *twins}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("include: {{units: [{fleet}]}}", {"3", "4", "5"}),
        ("include: {{units: [{inner}], accounts: ['{id7}']}}", {"4", "5", "7"}),
        ("include: {{tags: [fleet=yes]}}", {"10", "11"}),
        ("include: {{units: [{fleet}]}}, exclude: {{units: [{inner}]}}", {"3"}),
        (
            "include: {{units: [{fleet}], tags: [fleet=yes]}}, exclude: {{accounts: ['{id3}', '{id10}']}}",
            {"4", "5", "11"},
        ),
    ],
)
def test_units_with_their_children_account_ids_and_tags_choose_accounts(
    aws: Endpoint, organization: Organization, choice: str, expected: set[str]
) -> None:
    ids = {f"id{number}": id for number, id in organization.ids.items()}
    for number in ("3", "4", "5", "7", "10", "11", "12"):
        job(aws, organization.ids[number], f"job-{number}")
    exposed = scraped(aws, config(", " + choice.format(**organization.units, **ids)))
    assert exposed.value(ACCOUNTS) == len(expected)
    assert exposed.ids() == {f"job-{number}" for number in expected}


def test_the_accounts_of_a_unit_are_read_from_all_pages(aws: Endpoint, organization: Organization) -> None:
    api, numbers = aws.client("organizations"), [str(number) for number in range(6, 28)]
    for number in numbers:
        ids = {"SourceParentId": organization.root, "DestinationParentId": organization.units["inner"]}
        api.move_account(AccountId=organization.ids[number], **ids)
    job(aws, organization.ids["27"], "on-the-last-page")
    exposed = scraped(aws, config(", include: {{units: [{fleet}]}}".format(**organization.units)))
    # Account 3 is in the outer unit, accounts 4 and 5 are in the inner one.
    assert exposed.value(ACCOUNTS) == 3 + len(numbers)
    assert exposed.value(REQUESTS, api="ListAccountsForParent") == 3
    assert exposed.ids() == {"on-the-last-page"}


def test_an_account_that_is_closed_leaves_with_its_rows_and_a_new_one_is_watched(
    aws: Endpoint, organization: Organization
) -> None:
    job(aws, organization.ids["3"], "closing")
    with serve_exporter(config(accounts="refresh: {accounts_every: 1m}"), aws.url) as exporter:
        assert Scrape(exporter.scrape()).ids() == {"closing"}
        api = aws.client("organizations")
        api.close_account(AccountId=organization.ids["3"])
        created = api.create_account(AccountName="new", Email="new@example.com")["CreateAccountStatus"]["AccountId"]
        job(aws, created, "added")
        exporter.scrape(after=MINUTE)
        exposed = Scrape(exporter.scrape())
    assert exposed.ids() == {"added"}
    assert exposed.value(ACCOUNTS) == 31


@pytest.mark.parametrize(
    ("number", "account"), [("3", "role_arn: 'arn:aws:iam::{id}:role/exporter'"), ("management", "account_id: '{id}'")]
)
def test_an_account_that_the_configuration_names_is_watched_once(
    aws: Endpoint, organization: Organization, number: str, account: str
) -> None:
    id = organization.ids.get(number, MANAGEMENT)
    job(aws, id, "firmware")
    job(aws, organization.ids["4"], "of-a-found-account")
    named = f"accounts: [{{name: mine, {account.format(id=id)}, regions: [eu-west-1], {WATCH}}}]"
    exposed = scraped(aws, config(accounts=named))
    # The found account proves that the exporter uses the list of accounts.
    assert exposed.by("account", UP).keys() == {"mine", "member-4"}
    assert exposed.ids(aws_account_id=id) == {"firmware"}
    assert exposed.ids() == {"firmware", "of-a-found-account"}
    assert exposed.value(ACCOUNTS) == 31


def test_check_live_reads_the_organization_and_its_accounts(
    aws: Endpoint, organization: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job(aws, organization.ids["3"], "firmware")
    file = tmp_path / "config.yaml"
    file.write_text(config(f", include: {{accounts: ['{organization.ids['3']}']}}"))
    assert check.run(file) == 0
    assert "the included active accounts, with the role exporter; ListAccounts every 1h" in capsys.readouterr().out
    check.run(file, live=True)
    output = capsys.readouterr().out
    assert "ok     organizations[0]: 1 account\n" in output
    assert "member-3 eu-west-1 iot_job: 1 found on the first page" in output


def test_check_live_fails_if_the_organization_cannot_be_read(
    aws: Endpoint, organization: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(config(", include: {units: [ou-ab12-11112222]}"))
    assert check.run(file, live=True) == 1
    assert "FAILED organizations[0]: cannot read the organization: " in capsys.readouterr().out


def ended(capsys: pytest.CaptureFixture[str], file: Path, *words: str) -> tuple[int, str, str]:
    """Return the status and the output of a command for jobs."""
    status = main([*words, f"--config.file={file}", "--kind=iot_job"])
    return status, *capsys.readouterr()


@pytest.fixture
def file(aws: Endpoint, organization: Organization, tmp_path: Path) -> Path:
    """Return a configuration file of the organization."""
    file = tmp_path / "config.yaml"
    file.write_text(config())
    return file


@pytest.mark.parametrize(
    ("number", "account", "label"),
    [("29", "{id}", "member-29"), ("29", "member-29", "member-29"), ("1", "{id}", "twin-{id}")],
)
def test_watch_and_failures_find_the_account_of_an_operation(
    aws: Endpoint,
    organization: Organization,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    number: str,
    account: str,
    label: str,
) -> None:
    id = organization.ids[number]
    job(aws, id, "firmware")
    flags = (f"--account={account.format(id=id)}", "--output=json")
    status, output, problems = ended(capsys, file, "failures", *flags, "--id=firmware")
    assert (status, problems) == (ExitStatus.SUCCEEDED, "")
    expected = (label.format(id=id), id)
    operation = json.loads(output)["operation"]
    assert (operation["account"], operation["aws_account_id"]) == expected
    # An operation that AWS does not know ends a watch.
    status, output, problems = ended(capsys, file, "watch", *flags, "--id=none", "--until-done")
    assert (status, problems) == (ExitStatus.FAILED, "")
    (operation,) = json.loads(output.splitlines()[-1])["not_succeeded"]
    assert (operation["account"], operation["id"]) == (expected[0], "none")


@pytest.mark.parametrize("command", ["watch", "failures"])
@pytest.mark.parametrize(
    ("account", "problem"),
    [
        ("twin", "2 accounts have this name or id; use one of twin-{0}, twin-{1}"),
        (
            "999999999999",
            "no active account that the configuration selects has this name or id; check --live lists the accounts",
        ),
    ],
)
def test_an_account_that_is_not_found_or_not_unique_is_refused(
    organization: Organization,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    account: str,
    problem: str,
) -> None:
    status, output, problems = ended(capsys, file, command, f"--account={account}", "--id=firmware")
    assert (status, output) == (2, "")
    twins = sorted(organization.ids[number] for number in ("0", "1"))
    assert problems == f"aws-iot-bulk-exporter: --account: {problem.format(*twins)}\n"


@pytest.mark.parametrize("command", ["watch", "failures"])
def test_an_account_that_the_configuration_names_needs_no_organization(
    aws: Endpoint, organization: Organization, file: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """The organization cannot be read, because the unit does not exist."""
    job(aws, organization.ids["3"], "firmware")
    role = f"role_arn: 'arn:aws:iam::{organization.ids['3']}:role/exporter'"
    named = f"accounts: [{{name: mine, {role}, regions: [eu-west-1], {WATCH}}}]"
    file.write_text(config(", include: {units: [ou-ab12-11112222]}", named))
    more = ("--timeout=1ms",) if command == "watch" else ()
    for account in ("mine", organization.ids["3"]):
        status, _, problems = ended(capsys, file, command, f"--account={account}", "--id=firmware", *more)
        assert (status, problems) == (ExitStatus.TIMED_OUT if more else ExitStatus.SUCCEEDED, "")
    status, output, problems = ended(capsys, file, command, "--account=member-4", "--id=firmware", *more)
    assert (status, output) == (ExitStatus.UNREACHABLE, "")
    assert problems.startswith("aws-iot-bulk-exporter: organizations[0]: cannot read the organization: ")
    assert problems.count("\n") == 1
