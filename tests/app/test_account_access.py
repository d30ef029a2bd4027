"""An account without credentials has one series and log line. A denied Region, kind or call is no such account."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from botocore.awsrequest import AWSPreparedRequest

from exporter.app.runtime import NOT_OFFERED
from exporter.config.partitions import ENABLED_BY_DEFAULT
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, error_response, json_response
from tests.support.virtual_exporter import VirtualExporter, VirtualExporters, virtual_exporters
from tests.support.virtual_loop import TODAY

ID = "111122223333"
WATCH = "[{kind: thing_registration_task, discover: true}, {kind: iot_job, discover: true}]"
CONFIG = f"""
accounts:
  - name: factory
    role_arn: arn:aws:iam::{ID}:role/exporter
    regions: [eu-west-1, us-east-1]
    watch: {WATCH}
"""
ORGANIZATION = f"organizations: [{{role_name: exporter, regions: [eu-west-1, us-east-1], watch: {WATCH}}}]"
KINDS = ("iot_job", "thing_registration_task", "greengrass_deployment")
ALL_KINDS = ", ".join(f"{{kind: {kind}, discover: true}}" for kind in KINDS)
LARGE_ORGANIZATION = f"""
organizations: [{{role_name: exporter, regions: [{", ".join(ENABLED_BY_DEFAULT)}], watch: [{ALL_KINDS}]}}]
"""
WITHOUT_ROLE = f"accounts: [{{name: factory, account_id: '{ID}', regions: [eu-west-1], watch: {WATCH}}}]"
STS = """<{api}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{api}Result><Account>999999999999</Account>
<Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>x</SessionToken>
<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></{api}Result></{api}Response>"""
ACCESSIBLE, UP = "aws_iot_bulk_exporter_account_accessible", "aws_iot_bulk_exporter_up"
COUNTED = "aws_iot_bulk_exporter_inaccessible_cells"
DENIED, IDLE = "aws_iot_bulk_exporter_denied_cells", "aws_iot_bulk_exporter_idle_cells"
CELL_ERROR = "aws_iot_bulk_exporter_cell_error"
# A failure that is no denial.
CONFLICT = error_response("ConflictException", 409)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def sts_error(code: str, status: int) -> HttpResponse:
    """Return an error of STS."""
    return HttpResponse(f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode(), status)


@dataclass
class Aws:
    """An account with empty lists, also as the only member of an organization.

    ``role`` is STS's error for its role. ``denied`` is a part of the URLs or of the credential scopes of requests that
    get the response ``denial``. AWS refuses the sessions of the role that exist if ``is_revoked`` is true. It
    lists ``jobs``, which were created at ``jobs_created``, in Unix seconds.
    """

    role: HttpResponse | None = None
    denied: str = ""
    denial: HttpResponse = field(default_factory=lambda: error_response("AccessDeniedException", 403))
    is_revoked: bool = False
    jobs: list[str] = field(default_factory=list)
    jobs_created: float = TODAY

    def respond(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a call."""
        if api == "ListAccounts":
            return json_response({"Accounts": [{"Id": ID, "Name": "factory", "Status": "ACTIVE"}]})
        if api == "AssumeRole" and self.role:
            return self.role
        if api in ("AssumeRole", "GetCallerIdentity"):
            return HttpResponse(STS.format(api=api).encode(), 200, {"content-type": "text/xml"})
        if self.is_revoked:
            return error_response("UnrecognizedClientException", 403)
        # The Region of a request is a part of its signature.
        if self.denied and self.denied in f"{request.url} {request.headers['Authorization']!s}":
            return self.denial
        if api == "DescribeJob":
            job = {"jobId": request.url.rpartition("/")[2], "status": "IN_PROGRESS", "createdAt": self.jobs_created}
            return json_response({"job": {**job, "jobProcessDetails": {}}})
        jobs = [{"jobId": id, "status": "IN_PROGRESS", "createdAt": self.jobs_created} for id in self.jobs]
        return json_response({"jobs": jobs, "taskIds": [], "deployments": []})


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def exporters(aws: Aws) -> Iterator[VirtualExporters]:
    with virtual_exporters(aws.respond) as exporters:
        yield exporters


def start(exporters: VirtualExporters, config: str = CONFIG) -> Iterator[VirtualExporter]:
    with exporters.start(config) as exporter:
        yield exporter


@pytest.fixture
def exporter(exporters: VirtualExporters) -> Iterator[VirtualExporter]:
    yield from start(exporters)


@pytest.fixture
def finder(exporters: VirtualExporters) -> Iterator[VirtualExporter]:
    """An exporter that finds the account in an organization."""
    yield from start(exporters, ORGANIZATION)


def scrape(exporter: VirtualExporter, after: float = 0.0) -> Scrape:
    """Return the second of two scrapes after some time: the first one starts refreshes and does not wait for them."""
    exporter.loop.pass_time(after)
    exporter.scrape()
    exporter.loop.pass_time(1.0)
    return Scrape(exporter.scrape())


@pytest.mark.parametrize(
    "refusal",
    [sts_error("AccessDenied", 403), sts_error("Throttling", 400), sts_error("InternalFailure", 500)],
    ids=["refused", "throttled", "failed"],
)
def test_an_account_without_credentials_has_a_single_row_of_0_until_all_its_cells_are_read(
    aws: Aws, exporter: VirtualExporter, refusal: HttpResponse
) -> None:
    aws.role = refusal
    exposed = scrape(exporter)
    assert exposed.rows(ACCESSIBLE) == [({"account": "factory", "aws_account_id": ID}, 0.0)]
    assert [value for _, value in exposed.rows(UP)] == [0, 0, 0, 0]
    # The later cells get the failure of the first one, without a call to STS.
    assert scrape(exporter, 2.0).value(ACCESSIBLE) == 0
    aws.role = None
    later = [scrape(exporter, MINUTE) for _ in range(20)]
    for exposed in later:
        assert exposed.value(ACCESSIBLE) == min(value for _, value in exposed.rows(UP))
    assert later[-1].value(ACCESSIBLE) == 1


@pytest.mark.parametrize(
    ("denied", "cells"), [("/us-east-1/", 2), ("/jobs", 2), ("//", 4)], ids=["Region", "kind", "everything"]
)
def test_an_account_whose_calls_are_denied_is_accessible(
    aws: Aws, exporter: VirtualExporter, denied: str, cells: int
) -> None:
    aws.denied = denied
    exposed = scrape(exporter)
    assert [value for _, value in exposed.rows(UP)].count(0) == cells
    assert exposed.value(ACCESSIBLE) == 1


def test_a_session_that_is_revoked_is_noticed_at_its_renewal(aws: Aws, exporter: VirtualExporter) -> None:
    assert scrape(exporter).value(ACCESSIBLE) == 1
    aws.role = sts_error("AccessDenied", 403)
    # The calls still succeed with the session that AWS has given.
    assert scrape(exporter, MINUTE).value(ACCESSIBLE) == 1


def test_an_account_without_a_role_and_without_credentials_is_not_accessible(
    exporters: VirtualExporters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for exporter in start(exporters, WITHOUT_ROLE):
        assert scrape(exporter).rows(ACCESSIBLE) == [({"account": "factory", "aws_account_id": ID}, 0.0)]


def test_a_found_account_that_refuses_its_role_has_a_row_until_some_minutes_after_the_repair(
    aws: Aws, finder: VirtualExporter
) -> None:
    aws.role = sts_error("AccessDenied", 403)
    refused = scrape(finder)
    assert refused.rows(ACCESSIBLE) == [({"account": "factory", "aws_account_id": ID}, 0.0)]
    assert refused.by("kind", COUNTED) == {"iot_job": 2, "thing_registration_task": 2}
    aws.role = None
    repaired = [scrape(finder, MINUTE) for _ in range(60)]
    # The cells had no series to say that they were down, so they need none to say that they are up again.
    assert not any(exposed.rows(UP) for exposed in (refused, *repaired))
    assert not repaired[-1].rows(COUNTED)
    values = [exposed.value(ACCESSIBLE) for exposed in repaired]
    # The success must have series for longer than the window in which alerts look for it.
    assert values.count(1) >= 12
    assert values[-1] is None
    assert values == sorted(values, key=lambda value: (value is None, value))


def test_a_found_cell_that_failed_before_its_account_lost_the_credentials_has_series_after_the_repair(
    aws: Aws, finder: VirtualExporter
) -> None:
    aws.denied, aws.denial = "/us-east-1/", CONFLICT
    assert {labels["aws_region"] for labels, _ in scrape(finder).rows(UP)} == {"us-east-1"}
    aws.role, aws.is_revoked = sts_error("AccessDenied", 403), True
    for _ in range(40):
        refused = scrape(finder, MINUTE)
    assert (refused.value(ACCESSIBLE), refused.rows(UP)) == (0, [])
    aws.role, aws.denied, aws.is_revoked = None, "", False
    later = [scrape(finder, MINUTE) for _ in range(60)]
    successes = [exposed for exposed in later if exposed.rows(UP)]
    # Without them, the last value of the series would be a failure.
    assert len(successes) >= 12
    assert {labels["aws_region"] for labels, _ in successes[0].rows(UP)} == {"us-east-1"}
    assert {value for exposed in successes for _, value in exposed.rows(UP)} == {1}


def test_a_found_cell_with_operations_whose_account_lost_the_credentials_has_series_after_the_repair(
    aws: Aws, finder: VirtualExporter
) -> None:
    aws.jobs = ["firmware"]
    assert scrape(finder).by("aws_region", UP) == {"eu-west-1": 1, "us-east-1": 1}
    aws.role, aws.is_revoked = sts_error("AccessDenied", 403), True
    refused = [scrape(finder, MINUTE) for _ in range(60)]
    # The rows of 0 are there until the operations have expired.
    assert 0 in {value for exposed in refused for _, value in exposed.rows(UP)}
    # AWS has deleted the operations when the account is back.
    aws.role, aws.is_revoked, aws.jobs = None, False, []
    later = [scrape(finder, MINUTE) for _ in range(60)]
    successes = [exposed for exposed in later if {value for _, value in exposed.rows(UP)} == {1}]
    assert len(successes) >= 12
    assert "iot_job" in {labels["kind"] for exposed in successes for labels, _ in exposed.rows(UP)}


def test_a_found_cell_that_failed_once_keeps_its_series_for_some_minutes(aws: Aws, finder: VirtualExporter) -> None:
    assert scrape(finder).rows(UP) == []
    aws.denied, aws.denial = "/us-east-1/", CONFLICT
    failing = scrape(finder, 5 * MINUTE)
    assert {labels["aws_region"] for labels, _ in failing.rows(UP)} == {"us-east-1"}
    aws.denied = ""
    later = [scrape(finder, MINUTE) for _ in range(60)]
    successes = [exposed for exposed in later if {value for _, value in exposed.rows(UP)} == {1}]
    assert len(successes) >= 12
    assert later[-1].rows(UP) == []
    assert {exposed.value(ACCESSIBLE) for exposed in successes} == {1}


@pytest.mark.parametrize(
    ("denied", "cells"),
    [
        ("/us-east-1/", {("iot_job", "us-east-1"): 1, ("thing_registration_task", "us-east-1"): 1}),
        ("/jobs", {("iot_job", "eu-west-1"): 1, ("iot_job", "us-east-1"): 1}),
    ],
    ids=["Region", "kind"],
)
def test_denied_cells_of_a_found_account_are_counted_until_aws_allows_them(
    aws: Aws, finder: VirtualExporter, denied: str, cells: dict[tuple[str, str], int]
) -> None:
    aws.denied = denied
    for _ in range(2):
        exposed = scrape(finder, 20 * MINUTE)
        rows = exposed.rows(DENIED)
        assert {(labels["kind"], labels["aws_region"]): value for labels, value in rows} == cells
        assert sum(exposed.by("kind", IDLE).values()) == 2
        assert [exposed.rows(name) for name in (UP, ACCESSIBLE, CELL_ERROR)] == [[], [], []]
    aws.denied = ""
    repaired = [scrape(finder, MINUTE) for _ in range(20)]
    # 36,000 cells of forbidden Regions would otherwise have rows when AWS allows them.
    assert not any(exposed.rows(UP) for exposed in repaired)
    assert not repaired[-1].rows(DENIED)
    assert sum(repaired[-1].by("kind", IDLE).values()) == 4


def test_a_denied_cell_with_an_operation_that_is_not_watched_has_no_rows_after_its_repair(
    aws: Aws, exporters: VirtualExporters
) -> None:
    aws.jobs, aws.jobs_created = ["ancient"], TODAY - 7 * DAY
    for exporter in start(
        exporters, ORGANIZATION.replace("iot_job, discover: true", "iot_job, discover: {max_age: 1d}")
    ):
        assert sum(scrape(exporter).by("kind", IDLE).values()) == 4
        aws.denied = "/jobs"
        denied = [scrape(exporter, 20 * MINUTE) for _ in range(2)]
        assert denied[-1].by("aws_region", DENIED) == {"eu-west-1": 1, "us-east-1": 1}
        aws.denied = ""
        repaired = [scrape(exporter, MINUTE) for _ in range(20)]
        assert not any(exposed.rows(UP) for exposed in (*denied, *repaired))
        assert sum(repaired[-1].by("kind", IDLE).values()) == 4


def test_an_organization_with_denied_regions_has_few_rows(aws: Aws, exporters: VirtualExporters) -> None:
    aws.denied = "aws4_request"
    for exporter in start(exporters, LARGE_ORGANIZATION):
        exposed = scrape(exporter, MINUTE)
        assert sum(value for _, value in exposed.rows(DENIED)) == 51
        assert ID not in {sample.labels.get("aws_account_id") for sample in exposed.samples}


def test_an_operation_that_aws_lists_and_does_not_describe_has_a_denied_cell_with_rows(
    aws: Aws, finder: VirtualExporter
) -> None:
    aws.jobs, aws.denied = ["firmware"], "/jobs/firmware"
    exposed = scrape(finder)
    assert exposed.by("aws_region", UP) == {"eu-west-1": 0, "us-east-1": 0}
    assert {labels["reason"] for labels, _ in exposed.rows(CELL_ERROR)} == {"access_denied"}
    assert exposed.rows(DENIED) == []


FIELDS = ("msg", "account", "region", "kind", "reason")
REFUSED = ("account cannot be accessed", "factory", "access_denied")
REPAIRED = ("account can be accessed again", "factory")


DENIED_LINE = "AWS denies found cells of the account; this is the first one, and the log has no line for further ones"
ALLOWED_LINE = "AWS denies no found cell of the account any more"


def log_lines(exporter: VirtualExporter) -> list[tuple[str, ...]]:
    """Return the new lines about accounts and calls: the message, the account, the Region, the kind and the reason."""
    lines = [line for line in exporter.log.getvalue().splitlines() if " account=factory" in line]
    exporter.log.seek(0)
    exporter.log.truncate()
    found = [tuple(filter(None, (log_field(line, name) for name in FIELDS))) for line in lines]
    return [line for line in found if line[0] != NOT_OFFERED]


def log_field(line: str, name: str) -> str:
    """Return a field of a line in logfmt, or an empty text."""
    found = re.search(rf'\b{name}=("[^"]*"|\S*)', line)
    return found[1].strip('"') if found else ""


def scrape_often(exporter: VirtualExporter) -> None:
    """Scrape for an hour and a half, in which each cell is read again."""
    for _ in range(9):
        scrape(exporter, 10 * MINUTE)


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (sts_error("AccessDenied", 403), "access_denied"),
        (sts_error("Throttling", 400), "throttled"),
        (sts_error("InternalFailure", 500), "server_error"),
    ],
    ids=["refused", "throttled", "failed"],
)
def test_an_account_with_51_cells_has_one_log_line_when_it_is_lost_and_one_when_it_is_back(
    aws: Aws, exporters: VirtualExporters, refusal: HttpResponse, reason: str
) -> None:
    aws.role = refusal
    for exporter in start(exporters, LARGE_ORGANIZATION):
        scrape_often(exporter)
        assert sum(scrape(exporter).by("kind", COUNTED).values()) == 51
        assert log_lines(exporter) == [("account cannot be accessed", "factory", reason)]
        aws.role = None
        scrape_often(exporter)
        assert log_lines(exporter) == [REPAIRED]


def test_the_log_line_of_an_account_has_the_cause(aws: Aws, exporter: VirtualExporter) -> None:
    aws.role = sts_error("AccessDenied", 403)
    scrape(exporter)
    (line,) = [line for line in exporter.log.getvalue().splitlines() if REFUSED[0] in line]
    assert " level=warn " in line
    assert ' detail="no credentials from the role of account factory: AWS returned AccessDenied' in line


def test_a_further_reason_of_an_account_has_a_further_log_line(aws: Aws, exporter: VirtualExporter) -> None:
    aws.role = sts_error("AccessDenied", 403)
    scrape(exporter)
    aws.role = sts_error("Throttling", 400)
    scrape_often(exporter)
    assert log_lines(exporter) == [REFUSED, ("account cannot be accessed", "factory", "throttled")]
    assert scrape(exporter).by("reason", "aws_iot_bulk_exporter_account_error") == {"throttled": 1}


def test_the_denied_cells_of_an_account_that_is_back_have_their_log_lines(aws: Aws, exporter: VirtualExporter) -> None:
    aws.role = sts_error("AccessDenied", 403)
    scrape(exporter)
    aws.role, aws.denied = None, "/us-east-1/"
    scrape_often(exporter)
    lines = log_lines(exporter)
    assert lines[0] == REFUSED
    assert sorted(lines[1:]) == [
        ("AWS call failed", "factory", "us-east-1", "iot_job", "access_denied"),
        ("AWS call failed", "factory", "us-east-1", "thing_registration_task", "access_denied"),
        REPAIRED,
    ]


def test_the_denied_cells_of_a_found_account_have_one_log_line_and_one_when_aws_allows_them(
    aws: Aws, exporters: VirtualExporters
) -> None:
    aws.denied = "aws4_request"
    for exporter in start(exporters, LARGE_ORGANIZATION):
        scrape_often(exporter)
        ((message, account, region, kind, reason),) = log_lines(exporter)
        assert (account, reason) == ("factory", "access_denied")
        assert message == DENIED_LINE
        assert "" not in (region, kind)
        aws.denied = ""
        scrape_often(exporter)
        assert log_lines(exporter) == [(ALLOWED_LINE, "factory")]
        aws.denied = "aws4_request"
        scrape_often(exporter)
        assert [line[0] for line in log_lines(exporter)] == [DENIED_LINE]


def test_a_scrape_during_the_first_allowed_refresh_loses_no_log_line(aws: Aws, finder: VirtualExporter) -> None:
    aws.jobs, aws.denied = [f"firmware-{number}" for number in range(100)], "aws4_request"
    scrape_often(finder)
    assert [line[0] for line in log_lines(finder)] == [DENIED_LINE]
    aws.denied = ""
    finder.loop.pass_time(HOUR)
    finder.scrape(patience=0.0)
    finder.loop.pass_time(1.0)
    finder.scrape(patience=0.0)
    # The jobs are listed, and the budget delays their reading.
    assert sum(snapshot.listed > 0 for snapshot in finder.service.runtime.store.snapshots()) == 2
    scrape_often(finder)
    assert log_lines(finder) == [(ALLOWED_LINE, "factory")]


@pytest.mark.parametrize("failure", [CONFLICT, error_response("ThrottlingException", 429)], ids=["failed", "throttled"])
def test_cells_that_fail_in_between_lose_no_log_line(aws: Aws, finder: VirtualExporter, failure: HttpResponse) -> None:
    denial, aws.denied = aws.denial, "aws4_request"
    scrape_often(finder)
    aws.denial = failure
    scrape_often(finder)
    assert [line[0] for line in log_lines(finder)] == [DENIED_LINE, *["AWS call failed"] * 4]
    aws.denial = denial
    scrape_often(finder)
    assert log_lines(finder) == []
    aws.denied = ""
    scrape_often(finder)
    assert log_lines(finder) == [(ALLOWED_LINE, "factory")]


def test_a_denied_cell_with_a_known_operation_has_a_log_line_of_its_own(aws: Aws, finder: VirtualExporter) -> None:
    aws.denied = "aws4_request"
    scrape_often(finder)
    assert len(log_lines(finder)) == 1
    aws.jobs, aws.denied = ["firmware"], "/jobs/firmware"
    scrape_often(finder)
    assert sorted(line for line in log_lines(finder) if line[0] == "AWS call failed") == [
        ("AWS call failed", "factory", "eu-west-1", "iot_job", "access_denied"),
        ("AWS call failed", "factory", "us-east-1", "iot_job", "access_denied"),
    ]


def test_a_reload_repeats_no_log_line_of_an_account(aws: Aws, exporter: VirtualExporter) -> None:
    aws.role = sts_error("AccessDenied", 403)
    scrape(exporter)
    assert log_lines(exporter) == [REFUSED]
    reload(exporter, CONFIG.replace("us-east-1", "us-west-2"))
    assert log_lines(exporter) == []
    aws.role = None
    scrape_often(exporter)
    assert log_lines(exporter) == [REPAIRED]


def reload(exporter: VirtualExporter, config: str) -> None:
    """Reload another configuration, and scrape."""
    exporter.texts.append(config)
    assert exporter.get("/-/reload", method="POST").status == 200
    scrape(exporter, MINUTE)


def test_an_account_that_is_watched_again_has_its_log_line_again(aws: Aws, exporter: VirtualExporter) -> None:
    aws.role = sts_error("AccessDenied", 403)
    scrape(exporter)
    reload(exporter, CONFIG.replace("factory", "office"))
    reload(exporter, CONFIG)
    assert log_lines(exporter) == [REFUSED, REFUSED]


def test_a_new_role_is_no_access_before_it_was_used(aws: Aws, exporter: VirtualExporter) -> None:
    aws.role = sts_error("AccessDenied", 403)
    scrape(exporter)
    reload(exporter, CONFIG.replace(ID, "444455556666"))
    assert log_lines(exporter) == [REFUSED, REFUSED]
    aws.role = None
    scrape_often(exporter)
    assert log_lines(exporter) == [REPAIRED]
