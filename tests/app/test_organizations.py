"""Lists of accounts that fail, are throttled or shrink by a fault, and accounts that leave or refuse their role."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import pytest
from botocore.awsrequest import AWSPreparedRequest
from hypothesis import given
from hypothesis import strategies as st

from exporter.app.exporter import new_exporter
from exporter.collector.cells import configured_cells, scope_name
from exporter.collector.shards import items_of_shard
from exporter.collector.watched_accounts import Found
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.core.log import new_log
from exporter.core.model import FoundAccount, Shard
from exporter.kinds.registry import KINDS
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_exporter, serve_simulated_aws
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, error_response, json_response
from tests.support.virtual_exporter import VirtualExporter, virtual_exporters

CONFIG = """
organizations: [{role_name: exporter, regions: [eu-west-1], watch: [{kind: thing_registration_task, ids: [task]}]}]
"""
STS = """<{api}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{api}Result>
<Account>999999999999</Account><Arn>arn:aws:iam::999999999999:user/x</Arn><UserId>x</UserId>
<Credentials><AccessKeyId>ASIA{id}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>x</SessionToken>
<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></{api}Result></{api}Response>"""
ACCOUNTS = "aws_iot_bulk_exporter_organization_accounts"
READ = "aws_iot_bulk_exporter_organization_last_read_successful"
NAMED = "000000000003"
READ_AT = "aws_iot_bulk_exporter_organization_last_read_success_timestamp_seconds"
IDS = [f"{number:012d}" for number in range(1, 5)]
MINUTE, HOUR = 60.0, 3600.0


@dataclass
class Aws:
    """An organization and its accounts, which are named by their ids. ``called`` are the APIs, in the order of calls.

    - ``failure``: the error of ListAccounts, at first for the page ``failing_page``.
    - ``refuses``: the account whose role does not exist any more.
    - ``denies``: the Region in which a service control policy denies every call.
    """

    members: list[str] = field(default_factory=lambda: list(IDS))
    suspended: set[str] = field(default_factory=set)
    failure: str = ""
    failing_page: int = 0
    refuses: str = ""
    denies: str = "nowhere"
    called: list[str] = field(default_factory=list)

    @property
    def lists(self) -> int:
        """The number of ListAccounts calls."""
        return self.called.count("ListAccounts")

    def respond(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a call."""
        self.called.append(api)
        if api == "ListAccounts":
            return self._page(json.loads(cast(bytes, request.body)))
        if api in ("AssumeRole", "GetCallerIdentity"):
            body = str(request.body)
            if self.refuses and self.refuses in body:
                return HttpResponse(b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", 403)
            key = "".join(re.findall(r"iam%3A%3A(\d{12})", body))
            return HttpResponse(STS.format(api=api, id=key).encode(), 200, {"content-type": "text/xml"})
        credential = str(request.headers["Authorization"])
        if self.refuses and f"ASIA{self.refuses}" in credential:
            return error_response("UnrecognizedClientException", 403)
        if f"/{self.denies}/" in credential:
            return error_response("AccessDeniedException", 403, "with an explicit deny in a service control policy")
        return json_response({"status": "InProgress", "successCount": 5, "failureCount": 0, "percentageProgress": 5})

    def _page(self, request: dict[str, object]) -> HttpResponse:
        start, size = int(str(request.get("NextToken", 0))), int(str(request["MaxResults"]))
        if self.failure and start // size >= self.failing_page:
            return error_response(self.failure, 400)
        more = {"NextToken": str(start + size)} if start + size < len(self.members) else {}
        accounts = [
            {"Id": id, "Name": id, "Status": "SUSPENDED" if id in self.suspended else "ACTIVE"}
            for id in self.members[start : start + size]
        ]
        return json_response({"Accounts": accounts, **more})


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def exporter(aws: Aws) -> Iterator[VirtualExporter]:
    with (
        virtual_exporters(aws.respond) as exporters,
        exporters.start(CONFIG) as exporter,
    ):
        yield exporter


def scrape(exporter: VirtualExporter, after: float = 0.0) -> Scrape:
    """Return the second of two scrapes after some time: the first one starts a reading and does not wait for it."""
    exporter.loop.pass_time(after)
    exporter.scrape()
    exporter.loop.pass_time(1.0)
    return Scrape(exporter.scrape())


def watched(exposed: Scrape) -> set[str]:
    """Return the accounts with an operation."""
    return {labels["aws_account_id"] for labels, _ in exposed.rows("aws_iot_bulk_operation_progress_ratio")}


def test_the_first_scrape_has_the_operations_of_every_account(aws: Aws, exporter: VirtualExporter) -> None:
    assert aws.lists == 0
    exposed = Scrape(exporter.scrape())
    assert watched(exposed) == set(IDS)
    assert (exposed.value(ACCOUNTS), exposed.value(READ)) == (4, 1)
    scrape(exporter, HOUR - MINUTE)
    assert aws.lists == 1


@pytest.mark.parametrize("failure", ["TooManyRequestsException", "AccessDeniedException"])
def test_a_failure_keeps_the_last_list_and_is_reported_once(aws: Aws, exporter: VirtualExporter, failure: str) -> None:
    exporter.scrape()
    aws.failure, aws.members = failure, []
    for _ in range(3):
        exposed = scrape(exporter, HOUR)
        assert watched(exposed) == set(IDS)
        assert (exposed.value(ACCOUNTS), exposed.value(READ)) == (4, 0)
    assert exporter.log.getvalue().count("organization cannot be read; the last list stays in use") == 1
    aws.failure, aws.members = "", IDS[:3]
    assert watched(scrape(exporter, MINUTE)) == set(IDS[:3])


@pytest.mark.parametrize("page", [0, 1])
def test_a_throttled_organization_shows_no_account_before_it_is_read_completely(
    aws: Aws, exporter: VirtualExporter, page: int
) -> None:
    aws.members += [f"{number:012d}" for number in range(100, 117)]
    aws.suspended, aws.failure, aws.failing_page = set(aws.members[4:]), "TooManyRequestsException", page
    exposed = Scrape(exporter.scrape())
    assert (watched(exposed), exposed.value(READ)) == (set(), 0)
    aws.failure = ""
    assert watched(scrape(exporter, MINUTE)) == set(IDS)
    aws.failure = "TooManyRequestsException"
    exposed = scrape(exporter, HOUR)
    assert (watched(exposed), exposed.value(READ)) == (set(IDS), 0)


def test_the_time_of_the_last_successful_reading_stays_while_the_organization_fails(
    aws: Aws, exporter: VirtualExporter
) -> None:
    read_at = Scrape(exporter.scrape()).value(READ_AT) or 0.0
    aws.failure = "AccessDeniedException"
    assert [scrape(exporter, HOUR).value(READ_AT) for _ in range(2)] == [read_at, read_at]
    aws.failure = ""
    assert scrape(exporter, MINUTE).value(READ_AT) == pytest.approx(read_at + 2 * HOUR + MINUTE, abs=MINUTE)


def test_an_organization_that_was_never_read_has_the_time_0(aws: Aws, exporter: VirtualExporter) -> None:
    aws.failure = "AccessDeniedException"
    exposed = scrape(exporter)
    assert (exposed.value(ACCOUNTS), exposed.value(READ), exposed.value(READ_AT)) == (0, 0, 0)


def test_an_empty_list_is_believed_only_at_the_second_reading(aws: Aws, exporter: VirtualExporter) -> None:
    exporter.scrape()
    aws.members = []
    assert watched(scrape(exporter, HOUR)) == set(IDS)
    aws.members = list(IDS)
    assert watched(scrape(exporter, MINUTE)) == set(IDS)
    aws.members = []
    assert watched(scrape(exporter, HOUR)) == set(IDS)
    exposed = scrape(exporter, MINUTE)
    assert (watched(exposed), exposed.value(ACCOUNTS)) == (set(), 0)


def test_an_account_that_left_goes_with_its_rows_while_its_operation_runs(aws: Aws, exporter: VirtualExporter) -> None:
    exporter.scrape()
    aws.members = [*IDS[1:], "000000000009"]
    exposed = scrape(exporter, HOUR)
    assert watched(exposed) == set(aws.members)
    assert IDS[0] not in str(exposed.by("account", "aws_iot_bulk_exporter_up"))


def test_an_account_that_is_closed_while_its_operation_runs_goes_with_its_rows(
    aws: Aws, exporter: VirtualExporter
) -> None:
    assert watched(Scrape(exporter.scrape())) == set(IDS)
    aws.suspended, aws.refuses = {IDS[0]}, IDS[0]
    exposed = scrape(exporter, HOUR)
    assert (watched(exposed), exposed.value(ACCOUNTS)) == (set(IDS[1:]), 3)
    assert not exposed.rows("aws_iot_bulk_exporter_up", account=IDS[0])
    assert not exposed.rows("aws_iot_bulk_operation_unfinished", aws_account_id=IDS[0])
    aws.suspended, aws.refuses = set(), ""
    assert watched(scrape(exporter, HOUR)) == set(IDS)


def test_an_account_that_refuses_its_role_does_not_affect_the_others(aws: Aws, exporter: VirtualExporter) -> None:
    aws.refuses = IDS[0]
    exposed = Scrape(exporter.scrape())
    assert watched(exposed) == set(IDS[1:])
    # The account says why it is not read. Its cell, of which nothing is known, has no series.
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == dict.fromkeys(IDS[1:], 1)
    accessible = exposed.by("account", "aws_iot_bulk_exporter_account_accessible")
    assert accessible == {IDS[0]: 0, **dict.fromkeys(IDS[1:], 1)}
    assert exposed.rows("aws_iot_bulk_exporter_account_error", account=IDS[0], reason="access_denied")
    assert exposed.by("kind", "aws_iot_bulk_exporter_inaccessible_cells") == {"thing_registration_task": 1}


def test_a_role_that_is_deleted_while_operations_run_affects_only_its_account(
    aws: Aws, exporter: VirtualExporter
) -> None:
    exporter.scrape()
    aws.refuses = IDS[0]
    # AWS refuses the session of the role too. Series disappear ten minutes after their last reading.
    for _ in range(12):
        exposed = scrape(exporter, MINUTE)
    assert watched(exposed) == set(IDS[1:])
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {IDS[0]: 0, **dict.fromkeys(IDS[1:], 1)}
    assert exposed.rows("aws_iot_bulk_exporter_cell_error", account=IDS[0], reason="access_denied")
    aws.called.clear()
    for _ in range(30):
        scrape(exporter, MINUTE)
    assert 1 <= aws.called.count("AssumeRole") <= 3


def test_a_region_that_refuses_every_call_affects_no_other_region(aws: Aws, exporter: VirtualExporter) -> None:
    exporter.texts.append(CONFIG.replace("[eu-west-1]", "[eu-west-1, us-east-1]"))
    assert exporter.get("/-/reload", method="POST").status == 200
    aws.denies = "us-east-1"
    exposed = scrape(exporter)
    up = "aws_iot_bulk_exporter_up"
    assert exposed.by("account", up, aws_region="eu-west-1") == dict.fromkeys(IDS, 1)
    assert not exposed.rows(up, aws_region="us-east-1")
    assert exposed.by("aws_region", "aws_iot_bulk_exporter_denied_cells") == {"us-east-1": len(IDS)}
    aws.denies = "nowhere"
    assert scrape(exporter, HOUR / 4).by("account", up, aws_region="us-east-1") == dict.fromkeys(IDS, 1)


NOT_OFFERED = "AWS does not offer the kind in the Region"


def test_a_kind_that_a_region_does_not_offer_has_one_line_for_all_accounts(aws: Aws, exporter: VirtualExporter) -> None:
    exporter.texts.append(
        "organizations: [{role_name: exporter, regions: [eu-north-1, eu-west-1, eu-west-3],"
        " watch: [{kind: greengrass_deployment, discover: true}]}]"
    )

    def lines() -> list[str]:
        return [line.partition(" msg=")[2] for line in exporter.log.getvalue().splitlines() if NOT_OFFERED in line]

    def line(accounts: str, region: str) -> str:
        return f'"{NOT_OFFERED}; remove one of them" {accounts} region={region} kind=greengrass_deployment'

    assert exporter.get("/-/reload", method="POST").status == 200
    scrape(exporter)
    of_all = [line("accounts=4", region) for region in ("eu-north-1", "eu-west-3")]
    assert lines() == of_all
    # Readings and reloads without another account add no line, nor does an account that left.
    scrape(exporter, HOUR)
    assert exporter.get("/-/reload", method="POST").status == 200
    scrape(exporter)
    aws.members = IDS[:3]
    assert scrape(exporter, HOUR).value(ACCOUNTS) == 3
    assert lines() == of_all
    aws.members = [*IDS[:3], "000000000009"]
    scrape(exporter, HOUR)
    assert lines()[2:] == of_all


def test_a_reload_reads_the_accounts_again(aws: Aws, exporter: VirtualExporter) -> None:
    exporter.scrape()
    aws.members = [*IDS[:2], "000000000009"]
    assert exporter.get("/-/reload", method="POST").status == 200
    assert watched(scrape(exporter)) == set(aws.members)


def test_the_list_of_a_removed_organization_is_forgotten(aws: Aws, exporter: VirtualExporter) -> None:
    assert watched(scrape(exporter)) == set(IDS)
    for text in ("accounts: [{name: named, regions: [eu-west-1], watch: [{kind: iot_job, ids: [x]}]}]", CONFIG):
        exporter.texts.append(text)
        assert exporter.get("/-/reload", method="POST").status == 200
    aws.failure = "AccessDeniedException"
    assert watched(scrape(exporter)) == set()


SHARDED = parse_config(
    "organizations: [{role_name: exporter, regions: [eu-west-1, us-east-1]}]\n"
    f"accounts: [{{account_id: '{NAMED}', regions: [eu-west-1]}}]",
    KINDS,
)
ACCOUNT_IDS = st.integers(1, 20).map("{:012d}".format)


def scopes_of_shard(members: Iterable[str], shard: Shard) -> list[tuple[str, str]]:
    """Return the account ids and Regions that a shard watches after it has read these accounts."""
    found = Found([tuple(FoundAccount(id, f"name-{int(id) % 3}") for id in sorted(members))])
    cells = configured_cells(SHARDED, KINDS, lambda: "eu-west-1", found=found)
    of_shard = items_of_shard(cells, scope_name, shard)
    assert len({cell.key for cell in of_shard}) == len(of_shard)
    return list(dict.fromkeys((cell.account.known_id, cell.region) for cell in of_shard))


@given(st.data(), st.sets(ACCOUNT_IDS), st.integers(1, 8))
def test_the_shards_of_an_organization_are_disjoint_and_complete_while_accounts_come_and_go(
    data: st.DataObject, always: set[str], total: int
) -> None:
    """Each shard reads the list at another time. ``always`` are the accounts in all of the lists."""
    lists = [always | data.draw(st.sets(ACCOUNT_IDS), label="come or gone") for _ in range(total)]
    watched = [scope for n, members in enumerate(lists) for scope in scopes_of_shard(members, Shard(n, total))]
    assert len(watched) == len(set(watched))
    regions = ("eu-west-1", "us-east-1")
    assert {(id, region) for id in always - {NAMED} for region in regions} | {(NAMED, "eu-west-1")} <= set(watched)
    assert {id for id, _ in watched} <= set().union({NAMED}, *lists)


def test_without_organizations_the_accounts_must_not_be_empty() -> None:
    with pytest.raises(ConfigError, match="accounts: is empty"):
        parse_config("accounts: []", KINDS)
    assert parse_config(CONFIG, KINDS).accounts == ()
    assert len(parse_config("organizations: []", KINDS).accounts) == 1


def test_a_region_of_another_partition_than_the_role_is_refused() -> None:
    role = "role_arn: 'arn:aws:iam::111122223333:role/x'"
    with pytest.raises(ConfigError) as caught:
        parse_config(f"organizations: [{{role_name: x, {role}, regions: [cn-north-1]}}]", KINDS)
    expected = "organizations[0].role_arn: is not in aws-cn, the partition of regions[0]; use a role of aws-cn"
    assert caught.value.problems == (expected,)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize(
    ("apis", "calls", "limit"),
    [
        (["ListAccounts"], 10, 8),
        (["ListAccountsForParent", "ListOrganizationalUnitsForParent"], 40, 5),
        (["ListTagsForResource"], 200, 10),
    ],
)
def test_all_shards_together_make_no_more_calls_in_a_second_than_organizations_allows(
    apis: list[str], calls: int, limit: int, shards: int
) -> None:
    """AWS: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html#throttling-limits."""
    aws, units = Aws(members=[f"{number:012d}" for number in range(200)]), iter(range(19))
    times: list[float] = []

    def respond(api: str, request: AWSPreparedRequest) -> HttpResponse:
        if api in apis:
            times.append(loop.at)
        if api == "ListOrganizationalUnitsForParent":
            return json_response({"OrganizationalUnits": [{"Id": f"ou-ab12-{unit}"} for unit in islice(units, 3)]})
        content: dict[str, dict[str, list[str]]] = {
            "ListAccountsForParent": {"Accounts": []},
            "ListTagsForResource": {"Tags": []},
        }
        return json_response(content[api]) if api in content else aws.respond(api, request)

    config = CONFIG.replace("role_name: exporter", "role_name: exporter, include: {units: [r-ab12], tags: [a=b]}")
    with (
        virtual_exporters(respond) as exporters,
        exporters.start(config, shard=Shard(0, shards)) as started,
    ):
        loop = started.loop
        started.scrape()
        loop.pass_time(shards * MINUTE)
    assert len(times) == calls
    assert max(sum(start <= time < start + 1 for time in times) for start in times) * shards <= limit


SIMULATED = """
accounts: ["777788889999"]
organizations:
  - management_account: "777788889999"
    accounts: [{id: "777788889999", name: management}, {id: "100000000001", name: plant, count: 3}]
operations: []
"""


@pytest.mark.parametrize(
    "settings",
    [
        "regions: [eu-west-1]",
        "regions: [cn-north-1]",
        "regions: all, role_arn: 'arn:aws:iam::777788889999:role/reader'",
    ],
)
def test_an_organization_is_read_without_a_default_region(settings: str) -> None:
    config = f"organizations: [{{role_name: exporter, {settings}}}]"
    with (
        serve_simulated_aws(SIMULATED, ManualClock()) as (endpoint, _),
        serve_exporter(config, endpoint) as exporter,
        aws_environment(endpoint, AWS_DEFAULT_REGION=""),
    ):
        exposed = Scrape(exporter.scrape())
    assert [value for _, value in exposed.rows(ACCOUNTS)] == [4]


@pytest.mark.parametrize("settings", ["", ", regions: all", ", watch: [{kind: iot_job, discover: true}]"])
def test_a_default_region_that_is_needed_and_missing_is_an_error_of_the_start(settings: str) -> None:
    config = parse_config(f"organizations: [{{role_name: exporter{settings}}}]", KINDS)
    with aws_environment("http://127.0.0.1:1", AWS_DEFAULT_REGION=""), pytest.raises(ConfigError, match="AWS_REGION"):
        new_exporter(config, KINDS, new_log("error"))


def test_a_defect_of_the_reading_is_a_failure_of_the_organization(
    aws: Aws, exporter: VirtualExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("exporter.app.organizations.reading_account", fail)
    assert scrape(exporter).value(READ) == 0
    assert "unexpected RuntimeError" in exporter.log.getvalue()
