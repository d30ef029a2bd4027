"""``regions: all``: opt-in Regions are watched where the account has enabled them, and AWS says which."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.awsrequest import AWSPreparedRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from exporter.app.enabled_regions import PERIOD_SECONDS, EnabledRegions
from exporter.config.partitions import ENABLED_BY_DEFAULT
from exporter.config.sections import Account
from exporter.core.log import new_log
from exporter.core.model import Shard
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, error_response, json_response
from tests.support.servers import serve_app
from tests.support.simulated_responses import MODELS
from tests.support.virtual_exporter import VirtualExporter, virtual_exporters
from tests.support.virtual_loop import VirtualLoop
from tests.support.waiting import wait_until

FIRST, SECOND = "000000000001", "000000000002"
# Two Regions that are enabled by default, and every opt-in Region.
EXCLUDED = [region for region in ENABLED_BY_DEFAULT if region not in ("us-east-1", "eu-west-1")]
REGIONS = f"regions: all, exclude_regions: [{', '.join(EXCLUDED)}]"
WATCH = "watch: [{kind: thing_registration_task, ids: [task]}]"
ACCOUNTS = "\n".join(
    f"  - {{name: '{id}', role_arn: 'arn:aws:iam::{id}:role/exporter', {REGIONS}, {WATCH}}}" for id in (FIRST, SECOND)
)
CONFIG = f"accounts:\n{ACCOUNTS}\n"
ORGANIZATION = f"organizations: [{{role_name: exporter, {REGIONS}, {WATCH}}}]\n"
ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA{id}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>x</SessionToken>
<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>999999999999</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""
MINUTE, HOUR = 60.0, 3600.0
MESSAGE = "enabled Regions cannot be read"


@dataclass
class Aws:
    """Two accounts and the status of their opt-in Regions. A text instead of a status is the error of ListRegions."""

    regions: dict[str, dict[str, str] | str] = field(default_factory=lambda: {FIRST: {}, SECOND: {}})
    asked: list[str] = field(default_factory=list)
    sizes: set[int] = field(default_factory=set)
    has_default_regions: bool = True

    def respond(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a call."""
        if api == "AssumeRole":
            (id,) = re.findall(r"iam%3A%3A(\d{12})", str(request.body))
            return HttpResponse(ROLE.format(id=id).encode(), 200, {"content-type": "text/xml"})
        if api == "GetCallerIdentity":
            return HttpResponse(IDENTITY.encode(), 200, {"content-type": "text/xml"})
        if api == "ListAccounts":
            return json_response({"Accounts": [{"Id": id, "Name": id, "Status": "ACTIVE"} for id in self.regions]})
        if api == "ListRegions":
            return self._page(request)
        return json_response({"status": "InProgress", "successCount": 5, "failureCount": 0, "percentageProgress": 5})

    def _page(self, request: AWSPreparedRequest) -> HttpResponse:
        """Return a page of one Region, so that every list has several pages."""
        (id,) = re.findall(r"Credential=ASIA(\d{12})", str(request.headers["Authorization"]))
        self.asked.append(id)
        parameters = json.loads(cast(bytes, request.body))
        self.sizes.add(parameters["MaxResults"])
        optional = self.regions[id]
        if isinstance(optional, str):
            return error_response(optional, 429 if "TooMany" in optional else 403)
        default = dict.fromkeys(ENABLED_BY_DEFAULT, "ENABLED_BY_DEFAULT") if self.has_default_regions else {}
        listed = [item for item in {**default, **optional}.items() if item[1] in parameters["RegionOptStatusContains"]]
        start = int(parameters.get("NextToken", 0))
        more = {"NextToken": str(start + 1)} if start + 1 < len(listed) else {}
        page = [{"RegionName": name, "RegionOptStatus": status} for name, status in listed[start : start + 1]]
        return json_response({"Regions": page, **more})


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture(params=[CONFIG, ORGANIZATION], ids=["accounts", "organizations"])
def exporter(aws: Aws, request: pytest.FixtureRequest) -> Iterator[VirtualExporter]:
    with virtual_exporters(aws.respond) as exporters, exporters.start(request.param) as exporter:
        yield exporter


def scrape(exporter: VirtualExporter, after: float = 0.0) -> Scrape:
    """Return the last of three scrapes after some time. They find accounts and Regions, and read their operations."""
    exporter.loop.pass_time(after)
    for _ in range(2):
        exporter.scrape()
        exporter.loop.pass_time(15.0)
    return Scrape(exporter.scrape())


def watched(exposed: Scrape, id: str) -> set[str]:
    """Return the Regions in which an account has an operation."""
    rows = exposed.rows("aws_iot_bulk_operation_progress_ratio", aws_account_id=id)
    return {labels["aws_region"] for labels, _ in rows}


DEFAULT = {"us-east-1", "eu-west-1"}


def test_an_opt_in_region_is_watched_only_in_accounts_that_have_enabled_it(aws: Aws, exporter: VirtualExporter) -> None:
    statuses = {"me-south-1": "ENABLING", "ap-east-1": "DISABLED", "eu-south-1": "DISABLING"}
    aws.regions[FIRST] = {"me-central-1": "ENABLED", **statuses}
    exposed = scrape(exporter)
    assert watched(exposed, FIRST) == {*DEFAULT, "me-central-1"}
    assert watched(exposed, SECOND) == DEFAULT
    assert aws.sizes == {50}
    assert MESSAGE not in exporter.log.getvalue()


def test_a_region_that_is_disabled_goes_with_its_rows_and_a_new_one_is_watched_at_the_next_reading(
    aws: Aws, exporter: VirtualExporter
) -> None:
    aws.regions[FIRST] = {"me-central-1": "ENABLED"}
    scrape(exporter)
    calls = len(aws.asked)
    aws.regions[FIRST] = {"ap-east-1": "ENABLED"}
    assert watched(scrape(exporter, HOUR - 3 * MINUTE), FIRST) == {*DEFAULT, "me-central-1"}
    assert len(aws.asked) == calls
    exposed = scrape(exporter, 3 * MINUTE)
    assert watched(exposed, FIRST) == {*DEFAULT, "ap-east-1"}
    assert not exposed.rows("aws_iot_bulk_exporter_up", account=FIRST, aws_region="me-central-1")
    assert len(aws.asked) == 2 * calls


def test_a_reload_reads_the_regions_again(aws: Aws, exporter: VirtualExporter) -> None:
    scrape(exporter)
    aws.regions[SECOND] = {"me-central-1": "ENABLED"}
    assert exporter.get("/-/reload", method="POST").status == 200
    assert watched(scrape(exporter), SECOND) == {*DEFAULT, "me-central-1"}


def test_without_the_permission_the_regions_enabled_by_default_are_watched_and_one_line_says_so(
    aws: Aws, exporter: VirtualExporter
) -> None:
    aws.regions = dict.fromkeys((FIRST, SECOND), "AccessDeniedException")
    for _ in range(4):
        exposed = scrape(exporter, HOUR)
        assert watched(exposed, FIRST) == watched(exposed, SECOND) == DEFAULT
        assert set(exposed.by("aws_region", "aws_iot_bulk_exporter_up", account=FIRST).values()) == {1}
        assert not exposed.rows("aws_iot_bulk_exporter_cell_error")
    (line,) = [line for line in exporter.log.getvalue().splitlines() if MESSAGE in line]
    assert line.startswith("ts=")
    assert "level=info" in line
    assert "accounts=2 reason=access_denied" in line
    assert "level=warn" not in exporter.log.getvalue()
    aws.regions[FIRST] = {"me-central-1": "ENABLED"}
    assert watched(scrape(exporter, HOUR), FIRST) == {*DEFAULT, "me-central-1"}


@pytest.mark.parametrize("failure", ["TooManyRequestsException", "AccessDeniedException", "an empty list"])
def test_a_failure_keeps_the_last_list(aws: Aws, exporter: VirtualExporter, failure: str) -> None:
    aws.regions[FIRST] = {"me-central-1": "ENABLED"}
    scrape(exporter)
    aws.regions[FIRST] = {} if failure == "an empty list" else failure
    aws.has_default_regions = failure != "an empty list"
    assert watched(scrape(exporter, HOUR), FIRST) == {*DEFAULT, "me-central-1"}
    aws.regions[FIRST], aws.has_default_regions = {"ap-east-1": "ENABLED"}, True
    assert watched(scrape(exporter, MINUTE), FIRST) == {*DEFAULT, "ap-east-1"}


def test_accounts_that_fail_are_read_ever_more_rarely(aws: Aws, exporter: VirtualExporter) -> None:
    aws.regions[FIRST] = "AccessDeniedException"
    for _ in range(2 * 60):
        exporter.scrape()
        exporter.loop.pass_time(MINUTE)
    # At 0, 1, 3, 7, 15, 31 and 63 minutes, and then every hour.
    assert 6 <= aws.asked.count(FIRST) <= 8


def test_an_account_whose_reading_has_a_defect_is_read_ever_more_rarely(
    aws: Aws, exporter: VirtualExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    async def fail(account: Account, gateway: object) -> frozenset[str]:
        read.append(account.known_id)
        raise RuntimeError

    monkeypatch.setattr("exporter.app.enabled_regions.account_regions", fail)
    for _ in range(2 * 60):
        exporter.scrape()
        exporter.loop.pass_time(MINUTE)
    # At 0, 1, 3, 7, 15, 31 and 63 minutes, and then every hour.
    assert 6 <= read.count(FIRST) <= 8
    (line,) = [line for line in exporter.log.getvalue().splitlines() if MESSAGE in line]
    assert "reason=other" in line
    assert "unexpected RuntimeError" in line


def test_the_requests_of_found_accounts_have_no_account_id(aws: Aws, exporter: VirtualExporter) -> None:
    exposed = scrape(exporter)
    rows = exposed.rows("aws_iot_bulk_exporter_api_requests_total", api="ListRegions")
    assert sum(value for _, value in rows) == len(aws.asked)
    assert rows[0][0]["aws_account_id"] == ""


def test_a_shard_reads_only_the_regions_of_accounts_that_it_can_watch(aws: Aws) -> None:
    accounts: list[set[str]] = []
    with virtual_exporters(aws.respond) as exporters:
        for ordinal in range(20):
            with exporters.start(CONFIG, shard=Shard(ordinal, 20)) as exporter:
                accounts.append({account.name for account in exporter.service.runtime.region_accounts})
    assert set().union(*accounts) == {FIRST, SECOND}
    possible = set(MODELS.regions("aws")) - set(EXCLUDED)
    assert max(sum(id in names for names in accounts) for id in (FIRST, SECOND)) <= len(possible) < 20


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_no_other_partition_has_opt_in_regions(aws: Aws, partition: str) -> None:
    account = f"{{name: a, role_arn: 'arn:{partition}:iam::{FIRST}:role/exporter', regions: all, {WATCH}}}"
    with virtual_exporters(aws.respond) as exporters, exporters.start(f"accounts: [{account}]") as exporter:
        assert len(watched(scrape(exporter), FIRST)) == 2
    assert aws.asked == []


def test_a_scrape_waits_for_no_list_of_regions() -> None:
    released = threading.Event()

    async def handle(request: Request) -> JSONResponse:
        if request.url.path == "/listRegions":
            await asyncio.get_running_loop().run_in_executor(None, released.wait)
        return JSONResponse({"status": "InProgress", "successCount": 5, "failureCount": 0, "percentageProgress": 5})

    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])
    config = f"accounts: [{{account_id: '{FIRST}', {REGIONS}, {WATCH}}}]\naws: {{read_timeout: 1h}}\n"
    with serve_app(app) as endpoint, serve_exporter(config, endpoint) as served:
        try:
            headers = {"X-Prometheus-Scrape-Timeout-Seconds": "3600"}
            exposed = Scrape(http_requests.get(f"{served.url}/metrics", headers=headers, timeout=60.0).text)
        finally:
            released.set()
    assert watched(exposed, FIRST) == DEFAULT


def test_an_account_that_hangs_delays_the_regions_of_the_others_only_for_some_seconds() -> None:
    loop = VirtualLoop()
    first, second = (Account(name=id, account_id=id, regions=("us-east-1",)) for id in (FIRST, SECOND))

    class Hanging:
        async def connect(self, account: Account, region: str) -> Any:
            async def pages(*_: Any, **__: Any) -> AsyncIterator[Any]:
                if account is first:
                    await asyncio.sleep(HOUR)
                yield {"Regions": [{"RegionName": "me-central-1", "RegionOptStatus": "ENABLED"}]}

            return SimpleNamespace(pages=pages)

    regions = EnabledRegions(loop.clock(), new_log("error"))

    async def times() -> list[tuple[float, set[str]]]:
        gateway: Any = Hanging()
        changes = regions.read([first, second], HOUR, gateway)
        return [
            (loop.at, {id for id in regions.found() if "me-central-1" in regions.found()[id]}) async for _ in changes
        ]

    assert loop.run_until_complete(times()) == [(PERIOD_SECONDS, {SECOND}), (HOUR, {FIRST, SECOND})]
    loop.close()


MANAGEMENT = "777788889999"
SIMULATED = f"""
accounts: ["{MANAGEMENT}"]
organizations: [{{management_account: "{MANAGEMENT}", accounts: [{{id: "{MANAGEMENT}"}}, {{id: "{FIRST}", count: 2}}]}}]
opt_in_regions: [{{region: me-central-1, account: "{FIRST}"}}]
operations:
  - {{kind: iot_job, id: optional, region: me-central-1, account: "{FIRST}", timeline: [{{at: 0s, status: SCHEDULED}}]}}
  - {{kind: iot_job, id: default, region: eu-west-1, account: "{SECOND}", timeline: [{{at: 0s, status: SCHEDULED}}]}}
"""
JOBS = "watch: [{kind: iot_job, discover: true}]"


def simulated_exporter(regions: str) -> Any:
    """Serve an exporter that finds the simulated accounts over HTTP, but not the management account."""
    config = f"organizations: [{{role_name: exporter, exclude: {{accounts: ['{MANAGEMENT}']}}, {regions}, {JOBS}}}]"
    return serve_simulation(config, SIMULATED)


def test_the_simulated_aws_has_an_opt_in_region_only_in_the_account_that_has_enabled_it() -> None:
    with simulated_exporter(REGIONS) as simulation:
        # A scrape starts to read the Regions and does not wait for them. A later one refreshes their cells.
        exposed = wait_until(lambda: operations_of(simulation.exporter), "the operations of both accounts")
    assert exposed.ids() == {"optional", "default"}
    assert not exposed.rows("aws_iot_bulk_exporter_cell_error")


def operations_of(exporter: ServedExporter) -> Scrape | None:
    """Return a scrape with two operations, or None."""
    exposed = Scrape(exporter.scrape(after=11.0))
    return exposed if len(exposed.ids()) == 2 else None


def test_the_simulated_aws_refuses_a_named_region_that_an_account_has_not_enabled() -> None:
    with simulated_exporter("regions: [us-east-1, me-central-1]") as simulation:
        exposed = Scrape(simulation.exporter.scrape())
    assert exposed.ids() == {"optional"}
    errors = exposed.rows("aws_iot_bulk_exporter_cell_error", reason="credentials")
    assert {(labels["aws_account_id"], labels["aws_region"]) for labels, _ in errors} == {(SECOND, "me-central-1")}
