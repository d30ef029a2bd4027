"""What ``idle_max_age`` promises for the cells of an organization, in virtual time, for any interval of scrapes."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from botocore.awsrequest import AWSPreparedRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.app.test_organizations import STS
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, json_response
from tests.support.virtual_exporter import VirtualExporter, VirtualExporters, virtual_exporters

IDLE_SECONDS = 300.0
CONFIG = """
refresh: {min_age: 10s, idle_max_age: 5m}
organizations:
  - role_name: exporter
    regions: [eu-west-1, us-east-1]
    watch:
      - {kind: thing_registration_task, discover: {statuses: [InProgress, Cancelling], unknown_statuses: true}}
      - {kind: iot_job, discover: {statuses: [IN_PROGRESS, SCHEDULED], unknown_statuses: true}}
      - {kind: greengrass_deployment, discover: {statuses: [ACTIVE]}}
"""
IDS = ("000000000001", "000000000002")
LISTS: dict[str, dict[str, list[str]]] = {
    "ListThingRegistrationTasks": {"taskIds": []},
    "ListJobs": {"jobs": []},
    "ListDeployments": {"deployments": []},
}
DESCRIBE = "DescribeThingRegistrationTask"
# The cell in which the task starts.
BUSY = (IDS[0], "eu-west-1", "ListThingRegistrationTasks")
CELLS = [(id, region, api) for id in IDS for region in ("eu-west-1", "us-east-1") for api in LISTS]
intervals = st.integers(10, 120).map(float)

# An account, a Region and the API of a list.
Cell = tuple[str, str, str]


@dataclass
class Aws:
    """Accounts without operations, until a task is ``active`` in one of them. ``lists`` are the times of list calls."""

    active: bool = False
    at: float = 0.0
    lists: dict[Cell, list[float]] = field(default_factory=lambda: defaultdict(list))
    described: list[float] = field(default_factory=list)

    def respond(self, api: str, request: AWSPreparedRequest) -> HttpResponse:
        """Return the response to a call."""
        if api == "ListAccounts":
            return json_response({"Accounts": [{"Id": id, "Name": id, "Status": "ACTIVE"} for id in IDS]})
        if api in ("AssumeRole", "GetCallerIdentity"):
            id = "".join(re.findall(r"iam%3A%3A(\d{12})", str(request.body)))
            return HttpResponse(STS.format(api=api, id=id).encode(), 200, {"content-type": "text/xml"})
        if api == DESCRIBE:
            self.described.append(self.at)
            return json_response({"status": "InProgress" if self.active else "Completed", "successCount": 1})
        id, region = re.findall(r"ASIA(\d{12})/\d+/([^/]+)/", str(request.headers["Authorization"]))[0]
        self.lists[id, region, api].append(self.at)
        is_listed = self.active and (id, region, api) == BUSY and "Cancelling" not in request.url
        return json_response({"taskIds": ["new"]} if is_listed else LISTS[api])


@dataclass
class Organization:
    """An exporter that is scraped at an interval."""

    aws: Aws
    exporter: VirtualExporter
    interval: float

    def scrape(self, seconds: float) -> list[Scrape]:
        """Scrape for some seconds."""
        return [self._scrape() for _ in range(int(seconds / self.interval) + 1)]

    def _scrape(self) -> Scrape:
        self.exporter.loop.pass_time(self.interval)
        self.aws.at += self.interval
        return Scrape(self.exporter.scrape())


@pytest.fixture(scope="module")
def aws() -> Aws:
    return Aws()


@pytest.fixture(scope="module")
def exporters(aws: Aws) -> Iterator[VirtualExporters]:
    with virtual_exporters(aws.respond) as exporters:
        yield exporters


@contextmanager
def started(aws: Aws, exporters: VirtualExporters, interval: float) -> Iterator[Organization]:
    """Run an exporter of an organization without operations."""
    aws.active, aws.at = False, 0.0
    aws.lists.clear()
    aws.described.clear()
    with exporters.start(CONFIG) as exporter:
        yield Organization(aws, exporter, interval)


@given(intervals)
@settings(max_examples=8)
def test_an_idle_cell_is_listed_once_in_each_idle_max_age_with_one_call(
    aws: Aws, exporters: VirtualExporters, interval: float
) -> None:
    with started(aws, exporters, interval) as organization:
        organization.scrape(2500.0)
    assert sorted(aws.lists) == sorted(CELLS)
    for times in aws.lists.values():
        assert set(Counter(times).values()) == {1}
        waits = [later - earlier for earlier, later in pairwise(times)]
        assert waits[0] < IDLE_SECONDS + interval
        assert all(IDLE_SECONDS <= wait < IDLE_SECONDS + interval for wait in waits[1:])


@given(intervals, st.integers(400, 1000).map(float))
@settings(max_examples=8)
def test_a_task_is_found_within_idle_max_age_and_read_with_each_scrape_until_its_end(
    aws: Aws, exporters: VirtualExporters, interval: float, before: float
) -> None:
    with started(aws, exporters, interval) as organization:
        organization.scrape(before)
        aws.active, began = True, aws.at
        number = [scrape.ids() for scrape in organization.scrape(IDLE_SECONDS)].index({"new"}) + 1
        assert number * interval < IDLE_SECONDS + interval
        described = len(aws.described)
        scrapes = organization.scrape(5 * interval)
        assert [scrape.ids() for scrape in scrapes] == [{"new"}] * len(scrapes)
        assert len(aws.described) - described == len(scrapes)
        # The task does not change the pace of the cells beside it.
        for cell, times in aws.lists.items():
            assert cell == BUSY or sum(at > began for at in times) <= (aws.at - began) // IDLE_SECONDS + 1


@given(intervals)
@settings(max_examples=8)
def test_a_cell_is_idle_again_after_the_end_of_its_task(aws: Aws, exporters: VirtualExporters, interval: float) -> None:
    with started(aws, exporters, interval) as organization:
        aws.active = True
        organization.scrape(10 * interval)
        aws.active = False
        organization.scrape(2 * IDLE_SECONDS)
        ended, described = aws.at, len(aws.described)
        organization.scrape(4 * IDLE_SECONDS)
        times = [at for at in aws.lists[BUSY] if at > ended]
    assert len(aws.described) == described
    assert len(times) <= 4 + 1
