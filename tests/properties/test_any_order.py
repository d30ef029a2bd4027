"""Scrapes, reloads, probes, failures and changes in AWS in any order: each response is true."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.properties.aws_model import FAULTS, UNREACHABLE, AwsModel
from tests.properties.configuration_strategies import (
    ACCOUNTS,
    BROKEN,
    IDS,
    NUMBERS,
    ConfigCase,
    config_cases,
    next_config_case,
)
from tests.properties.example_counts import settings_for
from tests.properties.operation_history import HistoryCheck
from tests.properties.scrape_invariants import KINDS_BY_NAME, CheckedScrape, Identity, checked_scrape
from tests.support.virtual_exporter import OPENMETRICS, AsgiResponse, VirtualExporters, send_request, virtual_exporters
from tests.support.virtual_loop import INSTANT, VirtualLoop

SUCCESSFUL = "aws_iot_bulk_exporter_config_last_reload_successful"
SERVICES: Mapping[str, str] = {kind.name: kind.describe_calls[0].service for kind in KINDS_BY_NAME.values()}
MOMENTS = st.sampled_from([0.0, 0.0, 0.3, 6.0, 11.0, 11.0, 40.0, 700.0])
patience = st.sampled_from([0.0, 0.5, 3.0, 20.0])

MAX_DEADLINE = 9.0

# Checks a response, with its time in virtual seconds.
ResponseCheck = Callable[[AsgiResponse, float], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A waiting request: its start, its time-out in seconds, and the check of its response."""

    task: asyncio.Task[tuple[AsgiResponse, float]]
    since: float
    patience: float
    check: ResponseCheck


@dataclass
class Clients:
    """All clients that wait for a response."""

    loop: VirtualLoop
    waiting: list[Request] = field(default_factory=list)

    def send(self, response: Coroutine[Any, Any, AsgiResponse], patience: float, check: ResponseCheck) -> None:
        """Send a request that must get its response within ``patience`` seconds."""

        async def timed() -> tuple[AsgiResponse, float]:
            return await response, self.loop.at

        self.waiting.append(Request(self.loop.create_task(timed()), self.loop.at, patience, check))

    def pass_time(self, seconds: float) -> None:
        """Let time pass and check each response when it arrives. Fail if it is late."""
        until = self.loop.at + seconds
        while self.loop.at < until:
            due = [request.since + request.patience + INSTANT for request in self.waiting]
            self.loop.pass_time(max(INSTANT, min([until, *due]) - self.loop.at))
            self._check_responses()

    def settle(self) -> None:
        """Run everything that does not wait for time to pass."""
        self.pass_time(INSTANT)

    def _check_responses(self) -> None:
        for request in tuple(self.waiting):
            if request.task.done():
                self.waiting.remove(request)
                request.check(*request.task.result())
            else:
                assert self.loop.at - request.since <= request.patience + 2 * INSTANT, "a client waits too long"
        assert self.loop.faults == []


def check_page(response: AsgiResponse, at: float) -> None:
    """Check a page that is always available."""
    assert response.status == 200


def check_probe(response: AsgiResponse, at: float) -> None:
    """Check a probe, which may name an operation that is not watched, or wait during a reload."""
    assert response.status in (200, 400) or (response.status == 503 and "configuration was reloaded" in response.text)


class AnyOrder(RuleBasedStateMachine):
    """An exporter, its clients and its AWS. The last of ``cases`` is the current configuration."""

    exporters: VirtualExporters
    models: list[AwsModel]

    @initialize(case=config_cases, data=st.data())
    def start(self, case: ConfigCase, data: st.DataObject) -> None:
        self.open, self.held = ExitStack(), list[Callable[[], None]]()
        self.delay, self.loaded, self.begun, self.upset = 0.0, 1.0, 0, 1
        self.exporter = self.open.enter_context(self.exporters.start(case.text, self._begin))
        self.loop = self.exporter.loop
        self.clients = Clients(self.loop)
        self.cases = [(self.loop.at, case)]
        self.aws = AwsModel(self.loop.time)
        self.history = HistoryCheck(self.aws)
        self.models[:] = [self.aws]
        for _ in range(4):
            self.an_operation_changes(data)

    @property
    def case(self) -> ConfigCase:
        """The current configuration."""
        return self.cases[-1][1]

    def _begin(self, call: Callable[[], None]) -> None:
        self.begun += 1
        if self.delay < 0:
            self.held.append(call)
        else:
            self.loop.call_later(self.delay, call)

    def _key(self, data: st.DataObject) -> Identity:
        """Return a watched operation."""
        account, region, kind = data.draw(st.sampled_from(sorted(self.case.cells)))
        return (NUMBERS[account], region, kind, data.draw(st.sampled_from(IDS)))

    @rule(data=st.data())
    def an_operation_changes(self, data: st.DataObject) -> None:
        key = self._key(data)
        kind, state = KINDS_BY_NAME[key[2]], self.aws.state(key)
        if key not in self.aws.history or (state and kind.is_active(state.status)):
            statuses = [status for status in kind.statuses if status != "FAILED"]
            self.aws.put(key, data.draw(st.sampled_from(sorted(kind.active)) | st.sampled_from(statuses)))

    @rule(data=st.data())
    @precondition(lambda self: any(self.aws.alive()))
    def an_operation_is_deleted(self, data: st.DataObject) -> None:
        self.aws.delete(data.draw(st.sampled_from([key for key, _ in self.aws.alive()])))

    @rule(seconds=st.sampled_from([0.0, 0.0, 20.0, 90.0]))
    def lists_lag(self, seconds: float) -> None:
        self.aws.lag = seconds
        self.upset += 1

    @rule(delay=st.sampled_from([-1.0, 0.0, 0.0, 0.2, 1.5, 5.5]))
    def responses_are_slow(self, delay: float) -> None:
        self.delay = delay

    @rule(back=st.booleans())
    @precondition(lambda self: self.held)
    def hanging_calls_end(self, back: bool) -> None:
        for _ in range(len(self.held) // 2 + 1):
            self.held.pop(-1 if back else 0)()
            self.upset += 1
        self.clients.settle()

    @rule(data=st.data(), fault=st.sampled_from([*FAULTS, UNREACHABLE]), of_sts=st.integers(0, 5))
    def calls_fail(self, data: st.DataObject, fault: str, of_sts: int) -> None:
        _, region, kind, _ = self._key(data)
        self.aws.faults[region, SERVICES[kind] if of_sts else "sts"] = fault

    @rule()
    @precondition(lambda self: self.aws.faults)
    def calls_succeed_again(self) -> None:
        self.aws.faults.clear()

    @rule(wait=MOMENTS, patiences=st.lists(patience, min_size=1, max_size=3), openmetrics=st.booleans())
    def scrapes_arrive(self, wait: float, patiences: list[float], openmetrics: bool) -> None:
        self.clients.pass_time(wait)
        for seconds in patiences:
            headers = ((b"x-prometheus-scrape-timeout-seconds", str(seconds + 0.5).encode()),)
            more = OPENMETRICS if openmetrics else ()
            doing = send_request(self.exporter.service.app, "/metrics", headers=(*headers, *more))
            self.clients.send(doing, seconds, self._scrape_check(openmetrics))
        self.clients.settle()

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        self.clients.pass_time(seconds)

    @rule(path=st.sampled_from(["/", "/api/v1/operations", "/api/v1/cells", "/config", "/-/ready"]))
    def pages_are_read(self, path: str) -> None:
        # A page waits for data only if it has none. No configuration of the test has a longer deadline.
        self.clients.send(send_request(self.exporter.service.app, path), MAX_DEADLINE, check_page)
        self.clients.settle()

    @rule(data=st.data(), account=st.sampled_from(sorted(ACCOUNTS)), seconds=patience)
    def a_probe_arrives(self, data: st.DataObject, account: str, seconds: float) -> None:
        self.upset += 1
        _, region, kind, id = self._key(data)
        headers = ((b"x-prometheus-scrape-timeout-seconds", str(seconds + 0.5).encode()),)
        query = f"kind={kind}&id={id}&region={region}&account={account}"
        self.clients.send(send_request(self.exporter.service.app, "/probe", query, headers), seconds, check_probe)
        self.clients.settle()

    @rule(data=st.data(), by_signal=st.booleans())
    def another_configuration(self, data: st.DataObject, by_signal: bool) -> None:
        case = data.draw(next_config_case(self.case) | next_config_case(self.case) | config_cases)
        self.exporter.texts.append(case.text)
        self._reload(by_signal, 200)
        self.cases.append((self.loop.at, case))
        self.loaded = 1.0
        self.upset += 1
        self.clients.settle()

    @rule(text=st.sampled_from(BROKEN), by_signal=st.booleans())
    def a_broken_configuration(self, text: str, by_signal: bool) -> None:
        before = self.exporter.service.runtime
        self.exporter.texts.append(text)
        self._reload(by_signal, 500)
        assert self.exporter.service.runtime is before
        self.loaded = 0.0

    def _reload(self, by_signal: bool, status: int) -> None:
        if by_signal:
            self.loop.call_soon(self.exporter.service.reload_soon)
            self.loop.settle()
        else:
            response = self.loop.run_until_complete(send_request(self.exporter.service.app, "/-/reload", method="POST"))
            assert response.status == status
            assert "secret-value" not in response.text

    def _scrape_check(self, openmetrics: bool) -> ResponseCheck:
        def check(response: AsgiResponse, at: float) -> None:
            assert response.status == 200
            found, case = self._matching_case(response.text, self._current_cases(at), openmetrics)
            self.history.check(found, case, at)
            assert found.rows(SUCCESSFUL) == [({}, self.loaded)]
            # Each account describes an ended operation once, and again after an upset.
            assert max(self.aws.finals.values(), default=0) <= self.upset * len(case.config.accounts)

        return check

    def _current_cases(self, at: float) -> list[ConfigCase]:
        """Return the configurations that were current at a time. At the moment of a change there are two."""
        ends = [*(since for since, _ in self.cases[1:]), math.inf]
        spans = zip(self.cases, ends, strict=True)
        return [case for (since, case), end in spans if since <= at + 2 * INSTANT and end >= at - 2 * INSTANT]

    def _matching_case(
        self, text: str, config_cases: list[ConfigCase], openmetrics: bool
    ) -> tuple[CheckedScrape, ConfigCase]:
        """Return the configuration of a response. All its cells and labels must be of one configuration."""
        first, *others = reversed(config_cases)
        try:
            found = checked_scrape(text, first.config.labels.tags, openmetrics)
            assert set(found.cells("up")) == first.cells
        except AssertionError:
            if others:
                return self._matching_case(text, config_cases[:-1], openmetrics)
            raise
        return found, first

    def teardown(self) -> None:
        if not hasattr(self, "exporter"):
            return
        with self.open:
            self._check_recovery()
            self._check_stop()

    def _check_recovery(self) -> None:
        """Check that the exporter shows everything, and nothing else, after all faults have ended."""
        self.aws.faults.clear()
        self.aws.lag = self.delay = 0.0
        for call in self.held:
            call()
        for _ in range(4):
            self.clients.pass_time(3700.0)
            self.scrapes_arrive(0.0, [20.0], openmetrics=False)
            self.clients.pass_time(25.0)
        self.clients.pass_time(20.0)
        found = checked_scrape(self.exporter.scrape(), self.case.config.labels.tags)
        self.history.check_whole(found, self.case)

    def _check_stop(self) -> None:
        """Check that a stop leaves no task, and that no call to AWS follows."""
        self.delay = 1.5
        self.scrapes_arrive(11.0, [20.0], openmetrics=False)
        begun = self.begun
        self.exporter.service.stop()
        self.clients.pass_time(30.0)
        assert self.begun == begun
        assert self.clients.waiting == []
        assert [task for task in asyncio.all_tasks(self.loop) if not task.done()] == []


def test_every_response_is_true_and_of_one_configuration() -> None:
    models: list[AwsModel] = []
    with virtual_exporters(lambda api, request: models[0](api, request)) as exporters:
        machine = type("Everything", (AnyOrder,), {"exporters": exporters, "models": models})
        run_state_machine_as_test(machine, settings=settings_for(15, stateful_step_count=30))
