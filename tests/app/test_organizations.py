"""Lists of accounts that fail, are throttled or shrink by a fault, and accounts that leave or refuse their role."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from botocore.awsrequest import AWSPreparedRequest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector.cells import configured_cells, scope_name
from exporter.collector.shards import items_of_shard
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.core.model import FoundAccount, Shard
from exporter.kinds.registry import KINDS
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
IDS = [f"{number:012d}" for number in range(1, 5)]
MINUTE, HOUR = 60.0, 3600.0


@dataclass
class Aws:
    """An organization and its accounts. Members are named by their ids."""

    members: list[str] = field(default_factory=lambda: list(IDS))
    failure: str = ""
    refuses: str = ""
    lists: int = 0

    def respond(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a call."""
        if api == "ListAccounts":
            self.lists += 1
            if self.failure:
                return error_response(self.failure, 400)
            return json_response({"Accounts": [{"Id": id, "Name": id, "Status": "ACTIVE"} for id in self.members]})
        if api in ("AssumeRole", "GetCallerIdentity"):
            body = str(request.body)
            if self.refuses and self.refuses in body:
                return HttpResponse(b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", 403)
            return HttpResponse(STS.format(api=api, id="X").encode(), 200, {"content-type": "text/xml"})
        return json_response({"status": "InProgress", "successCount": 5, "failureCount": 0, "percentageProgress": 5})


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def exporter(aws: Aws) -> Iterator[VirtualExporter]:
    with (
        virtual_exporters(aws.respond) as exporters,
        exporters.start(CONFIG, accounts=("organizations[0]", *IDS, "000000000009")) as exporter,
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


def test_an_account_that_refuses_its_role_does_not_affect_the_others(aws: Aws, exporter: VirtualExporter) -> None:
    aws.refuses = IDS[0]
    exposed = Scrape(exporter.scrape())
    assert watched(exposed) == set(IDS[1:])
    assert exposed.by("account", "aws_iot_bulk_exporter_up") == {IDS[0]: 0, **dict.fromkeys(IDS[1:], 1)}


def test_a_reload_reads_the_accounts_again(aws: Aws, exporter: VirtualExporter) -> None:
    exporter.scrape()
    aws.members = [*IDS[:2], "000000000009"]
    assert exporter.get("/-/reload", method="POST").status == 200
    assert watched(scrape(exporter)) == set(aws.members)


@given(st.sets(st.integers(1, 10**12 - 1), max_size=30), st.integers(1, 12))
def test_the_shards_of_an_organization_are_disjoint_and_complete(ids: set[int], total: int) -> None:
    config = parse_config("organizations: [{role_name: exporter, regions: [eu-west-1, us-east-1]}]", KINDS)
    found = (tuple(FoundAccount(f"{id:012d}", f"name-{id % 3}") for id in sorted(ids)),)
    cells = configured_cells(config, KINDS, lambda: "eu-west-1", found=found)
    shards = [items_of_shard(cells, scope_name, Shard(ordinal, total)) for ordinal in range(total)]
    keys = [cell.key for shard in shards for cell in shard]
    assert len(keys) == len(set(keys)) == len(cells)
    assert set(keys) == {cell.key for cell in cells}
    assert len({(cell.account.known_id, cell.region) for cell in cells}) == 2 * len(ids)


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
