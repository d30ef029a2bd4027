"""Scrapes, reloads, probes, failures and AWS itself in any order: each answer is true, and of one configuration."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.properties.aws_model import BY_NAME, FAULTS, UNREACHABLE, Cloud, Key
from tests.properties.configuration_strategies import ACCOUNTS, BROKEN, IDS, NUMBERS, Wish, after, wishes
from tests.properties.example_counts import tried
from tests.properties.operation_history import Truth
from tests.properties.scrape_invariants import Judged, judged
from tests.properties.virtual_clients import Clients, Look
from tests.support.asgi_client import AsgiResponse, send_request
from tests.support.virtual_exporter import OPENMETRICS, VirtualExporters, virtual_exporters
from tests.support.virtual_loop import INSTANT

SUCCESSFUL = "aws_iot_bulk_exporter_config_last_reload_successful"
SERVICES: Mapping[str, str] = {kind.name: kind.describes[0].service for kind in BY_NAME.values()}
MOMENTS = st.sampled_from([0.0, 0.0, 0.3, 6.0, 11.0, 11.0, 40.0, 700.0])
patience = st.sampled_from([0.0, 0.5, 3.0, 20.0])


def read_well(answered: AsgiResponse, at: float) -> None:
    """Look at a page that always has an answer."""
    assert answered.status == 200


def answered_or_refused(answered: AsgiResponse, at: float) -> None:
    """Look at a probe, which may ask for what is not watched."""
    assert answered.status in (200, 400)


class Anything(RuleBasedStateMachine):
    """An exporter, its clients and its AWS. ``wishes`` are the configurations that have held, the last one holds."""

    place: VirtualExporters
    clouds: list[Cloud]

    @initialize(wish=wishes, data=st.data())
    def start(self, wish: Wish, data: st.DataObject) -> None:
        self.open, self.held = ExitStack(), list[Callable[[], None]]()
        self.delay, self.loaded, self.begun, self.upset = 0.0, 1.0, 0, 1
        self.stage = self.open.enter_context(self.place.stage(wish.text, self._begin, ACCOUNTS))
        self.loop = self.stage.loop
        self.clients = Clients(self.loop)
        self.wishes = [(self.loop.at, wish)]
        self.cloud = Cloud(self.loop.time)
        self.truth = Truth(self.cloud)
        self.clouds[:] = [self.cloud]
        for _ in range(4):
            self.an_operation_goes_on(data)

    @property
    def wish(self) -> Wish:
        """The configuration that holds."""
        return self.wishes[-1][1]

    def _begin(self, call: Callable[[], None]) -> None:
        self.begun += 1
        if self.delay < 0:
            self.held.append(call)
        else:
            self.loop.call_later(self.delay, call)

    def _key(self, data: st.DataObject) -> Key:
        """Return the name of something that is watched."""
        account, region, kind = data.draw(st.sampled_from(sorted(self.wish.cells)))
        return (NUMBERS[account], region, kind, data.draw(st.sampled_from(IDS)))

    @rule(data=st.data())
    def an_operation_goes_on(self, data: st.DataObject) -> None:
        key = self._key(data)
        kind, state = BY_NAME[key[2]], self.cloud.state(key)
        if key not in self.cloud.history or (state and kind.is_active(state.status)):
            statuses = [status for status in kind.statuses if status != "FAILED"]
            self.cloud.put(key, data.draw(st.sampled_from(sorted(kind.active)) | st.sampled_from(statuses)))

    @rule(data=st.data())
    @precondition(lambda self: any(self.cloud.alive()))
    def an_operation_is_deleted(self, data: st.DataObject) -> None:
        self.cloud.delete(data.draw(st.sampled_from([key for key, _ in self.cloud.alive()])))

    @rule(seconds=st.sampled_from([0.0, 0.0, 20.0, 90.0]))
    def lists_lag(self, seconds: float) -> None:
        self.cloud.lag = seconds
        self.upset += 1

    @rule(delay=st.sampled_from([-1.0, 0.0, 0.0, 0.2, 1.5, 5.5]))
    def answers_take_so_long(self, delay: float) -> None:
        self.delay = delay

    @rule(back=st.booleans())
    @precondition(lambda self: self.held)
    def what_hangs_is_answered(self, back: bool) -> None:
        for _ in range(len(self.held) // 2 + 1):
            self.held.pop(-1 if back else 0)()
            self.upset += 1
        self.clients.settle()

    @rule(data=st.data(), fault=st.sampled_from([*FAULTS, UNREACHABLE]), of_sts=st.integers(0, 5))
    def calls_fail(self, data: st.DataObject, fault: str, of_sts: int) -> None:
        _, region, kind, _ = self._key(data)
        self.cloud.faults[region, SERVICES[kind] if of_sts else "sts"] = fault

    @rule()
    @precondition(lambda self: self.cloud.faults)
    def calls_succeed_again(self) -> None:
        self.cloud.faults.clear()

    @rule(wait=MOMENTS, patiences=st.lists(patience, min_size=1, max_size=3), openmetrics=st.booleans())
    def scrapes_come(self, wait: float, patiences: list[float], openmetrics: bool) -> None:
        self.clients.let(wait)
        for seconds in patiences:
            headers = ((b"x-prometheus-scrape-timeout-seconds", str(seconds + 0.5).encode()),)
            more = OPENMETRICS if openmetrics else ()
            doing = send_request(self.stage.service.app, "/metrics", headers=(*headers, *more))
            self.clients.send(doing, seconds, self._scraped(openmetrics))
        self.clients.settle()

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        self.clients.let(seconds)

    @rule(path=st.sampled_from(["/", "/api/v1/operations", "/api/v1/cells", "/config", "/-/ready"]))
    def pages_are_read(self, path: str) -> None:
        self.clients.send(send_request(self.stage.service.app, path), 0.0, read_well)
        self.clients.settle()

    @rule(data=st.data(), account=st.sampled_from(sorted(ACCOUNTS)), seconds=patience)
    def a_probe_comes(self, data: st.DataObject, account: str, seconds: float) -> None:
        self.upset += 1
        _, region, kind, id = self._key(data)
        headers = ((b"x-prometheus-scrape-timeout-seconds", str(seconds + 0.5).encode()),)
        query = f"kind={kind}&id={id}&region={region}&account={account}"
        self.clients.send(send_request(self.stage.service.app, "/probe", query, headers), seconds, answered_or_refused)
        self.clients.settle()

    @rule(data=st.data(), by_signal=st.booleans())
    def another_configuration(self, data: st.DataObject, by_signal: bool) -> None:
        wish = data.draw(after(self.wish) | after(self.wish) | wishes)
        self.stage.texts.append(wish.text)
        self._reload(by_signal, 200)
        self.wishes.append((self.loop.at, wish))
        self.loaded = 1.0
        self.upset += 1
        self.clients.settle()

    @rule(text=st.sampled_from(BROKEN), by_signal=st.booleans())
    def a_broken_configuration(self, text: str, by_signal: bool) -> None:
        before = self.stage.service.runtime
        self.stage.texts.append(text)
        self._reload(by_signal, 500)
        assert self.stage.service.runtime is before
        self.loaded = 0.0

    def _reload(self, by_signal: bool, status: int) -> None:
        if by_signal:
            self.loop.call_soon(self.stage.service.reload_soon)
            self.loop.settle()
        else:
            answered = self.loop.result(send_request(self.stage.service.app, "/-/reload", method="POST"))
            assert answered.status == status
            assert "secret-value" not in answered.text

    def _scraped(self, openmetrics: bool) -> Look:
        def look(answered: AsgiResponse, at: float) -> None:
            assert answered.status == 200
            found, wish = self._one_of(answered.text, self._held(at), openmetrics)
            self.truth.check(found, wish, at)
            assert found.rows(SUCCESSFUL) == [({}, self.loaded)]
            # What has ended is described once by each account, and again after an upset.
            assert max(self.cloud.finals.values(), default=0) <= self.upset * len(wish.config.accounts)

        return look

    def _held(self, at: float) -> list[Wish]:
        """Return the configurations that held at a time: where one took another's place just then, both."""
        ends = [*(since for since, _ in self.wishes[1:]), math.inf]
        spans = zip(self.wishes, ends, strict=True)
        return [wish for (since, wish), end in spans if since <= at + 2 * INSTANT and end >= at - 2 * INSTANT]

    def _one_of(self, text: str, wishes: list[Wish], openmetrics: bool) -> tuple[Judged, Wish]:
        """Return which configuration an answer is of: its cells and labels must all be those of one."""
        first, *others = reversed(wishes)
        try:
            found = judged(text, first.tags, openmetrics)
            assert set(found.cells("up")) == first.cells
        except AssertionError:
            if others:
                return self._one_of(text, wishes[:-1], openmetrics)
            raise
        return found, first

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        with self.open:
            self._heal()
            self._end()

    def _heal(self) -> None:
        """When AWS is well again the exporter tells all of it, and nothing else."""
        self.cloud.faults.clear()
        self.cloud.lag = self.delay = 0.0
        for call in self.held:
            call()
        for _ in range(4):
            self.clients.let(3700.0)
            self.scrapes_come(0.0, [20.0], openmetrics=False)
            self.clients.let(25.0)
        self.clients.let(20.0)
        found = judged(self.stage.scrape(), self.wish.tags)
        self.truth.check_whole(found, self.wish)

    def _end(self) -> None:
        """A stop leaves no task behind, and asks AWS for nothing more."""
        self.delay = 1.5
        self.scrapes_come(11.0, [20.0], openmetrics=False)
        begun = self.begun
        self.stage.service.stop()
        self.clients.let(30.0)
        assert self.begun == begun
        assert self.clients.waiting == []
        assert [task for task in asyncio.all_tasks(self.loop) if not task.done()] == []


def test_every_answer_is_true_and_of_one_configuration_whatever_happens_before() -> None:
    clouds: list[Cloud] = []
    with virtual_exporters(lambda api, request: clouds[0](api, request)) as place:
        machine = type("Everything", (Anything,), {"place": place, "clouds": clouds})
        run_state_machine_as_test(machine, settings=tried(15, stateful_step_count=30))
