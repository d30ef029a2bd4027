"""A request costs time for the cells that are due, not for all cells: an organization has tens of thousands."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import pytest
from botocore.awsrequest import AWSPreparedRequest

from exporter.collector.refresh_queue import REFRESHES_AT_ONCE, SLOW_SECONDS
from exporter.collector.scheduler import RefreshScheduler
from exporter.collector.timetable import Timetable
from exporter.core.model import CellKey, Snapshot
from tests.support.held_calls import HeldCalls
from tests.support.scripted_endpoint import HttpResponse, json_response
from tests.support.virtual_exporter import VirtualExporter, virtual_exporters

REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "us-west-2")
ACCOUNTS = "\n".join(
    f"  - {{name: a{number}, account_id: '{number:012}', regions: [{', '.join(REGIONS)}], "
    "watch: [{kind: iot_job, discover: true}]}"
    for number in range(1, 101)
)
CELLS = 100 * len(REGIONS)


def respond(api: str, request: AWSPreparedRequest) -> HttpResponse:
    return json_response({"jobs": []})


@pytest.fixture
def aws() -> HeldCalls:
    return HeldCalls()


@pytest.fixture
def exporter(aws: HeldCalls) -> Iterator[VirtualExporter]:
    with virtual_exporters(respond) as exporters, exporters.start(f"accounts:\n{ACCOUNTS}\n", aws.begin) as exporter:
        exporter.scrape()
        yield exporter


Request = Callable[[RefreshScheduler], Awaitable[None]]


def calls(exporter: VirtualExporter, request: Request) -> int:
    """Return the number of function calls that a request makes before it waits for anything."""
    number = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal number
        number += event == "call"

    async def run() -> None:
        sys.setprofile(count)
        try:
            await request(exporter.service.runtime.scheduler)
        finally:
            sys.setprofile(None)

    exporter.loop.run_until_complete(run())
    return number


@pytest.mark.parametrize(
    "request_refresh",
    [lambda scheduler: scheduler.refresh(), lambda scheduler: scheduler.refresh_missing(lambda snapshot: True, 1.0)],
    ids=["scrape", "page"],
)
def test_a_request_does_not_look_at_cells_that_are_not_due(exporter: VirtualExporter, request_refresh: Request) -> None:
    assert len(exporter.service.runtime.scheduler.refreshers) == CELLS
    assert calls(exporter, request_refresh) < CELLS / 4


def refreshes(exporter: VirtualExporter) -> int:
    """Return the number of refreshes that have started and not ended."""
    return sum(refresher.task is not None for refresher in exporter.service.runtime.scheduler.refreshers.values())


def starts(exporter: VirtualExporter) -> list[float | None]:
    return [refresher.started for refresher in exporter.service.runtime.scheduler.refreshers.values()]


def hold_refreshes(exporter: VirtualExporter, aws: HeldCalls) -> None:
    """Start as many refreshes as can run at the same time. Their calls wait."""
    aws.held = []
    exporter.loop.pass_time(60.0)
    exporter.scrape(patience=0.0)


def test_a_limited_number_of_refreshes_run_at_the_same_time_and_slow_ones_do_not_count(
    exporter: VirtualExporter, aws: HeldCalls
) -> None:
    hold_refreshes(exporter, aws)
    running = [refreshes(exporter)]
    for seconds in (SLOW_SECONDS, 1.0):
        exporter.scrape(patience=seconds)
        running.append(refreshes(exporter))
    assert running == [REFRESHES_AT_ONCE, 2 * REFRESHES_AT_ONCE, 2 * REFRESHES_AT_ONCE]
    aws.release()
    before = exporter.loop.at
    exporter.scrape()
    assert refreshes(exporter) == 0
    assert exporter.loop.at == before
    assert min(start or 0.0 for start in starts(exporter)) >= 60.0


def test_a_cell_that_waits_for_its_refresh_is_refreshed_after_a_reload(
    exporter: VirtualExporter, aws: HeldCalls
) -> None:
    hold_refreshes(exporter, aws)
    assert exporter.get("/-/reload", method="POST").status == 200
    aws.release()
    exporter.scrape()
    assert refreshes(exporter) == 0
    assert min(start or 0.0 for start in starts(exporter)) >= 60.0


def test_refreshes_that_continue_after_a_reload_count_until_they_are_slow(
    exporter: VirtualExporter, aws: HeldCalls
) -> None:
    hold_refreshes(exporter, aws)
    exporter.loop.pass_time(SLOW_SECONDS / 2)
    running = []
    for _ in range(3):
        assert exporter.get("/-/reload", method="POST").status == 200
        exporter.scrape(patience=0.0)
        running.append(refreshes(exporter))
    # The time before the reload counts: a reload every second would otherwise keep a slow refresh in its place.
    exporter.loop.pass_time(SLOW_SECONDS / 2)
    running.append(refreshes(exporter))
    assert running == [REFRESHES_AT_ONCE] * 3 + [2 * REFRESHES_AT_ONCE]
    aws.release()
    exporter.scrape()
    assert refreshes(exporter) == 0


def test_a_cell_becomes_due_again_after_a_defect(exporter: VirtualExporter) -> None:
    refresher = next(iter(exporter.service.runtime.scheduler.refreshers.values()))

    def fail(snapshot: Snapshot) -> None:
        raise ValueError("a defect")

    publish, refresher.publish = refresher.publish, fail
    starts = [refresher.started]
    for _ in range(2):
        exporter.loop.pass_time(60.0)
        exporter.scrape()
        starts.append(refresher.started)
        refresher.publish = publish
    assert len(set(starts)) == 3


def key(account: str) -> CellKey:
    return CellKey(account, "eu-west-1", "iot_job")


def test_the_cell_that_is_due_for_the_longest_time_is_taken_first() -> None:
    timetable = Timetable({key("a"): 3.0, key("b"): 1.0, key("c"): 4.0, key("d"): 1.0})
    assert timetable.take_due(3.5) == [key("b"), key("d"), key("a")]
    assert timetable.take_due(3.5) == []


def test_a_cell_is_due_at_the_time_that_was_set_last_and_once() -> None:
    timetable = Timetable({key("a"): 1.0})
    for time in (5.0, 2.0, 5.0):
        timetable.set(key("a"), time)
    assert timetable.take_due(4.0) == []
    assert timetable.take_due(5.0) == [key("a")]
    timetable.set(key("a"), 6.0)
    assert timetable.take_due(9.0) == [key("a")]
