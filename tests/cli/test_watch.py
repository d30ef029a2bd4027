"""``watch`` follows operations to their end, and its exit status tells how they ended: completed is not success."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from exporter.app.exporter import new_process
from exporter.app.runtime import Runtime, first
from exporter.aws.models import Models
from exporter.cli.commands.watch import Pace, Wish, _chosen, _default_config, follow
from exporter.cli.watch_result import Findings
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.core.log import new_log
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS
from exporter.metrics.summary import CellLine, OperationLine
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment
from tests.support.scripted_endpoint import ACCOUNT_ID, ScriptedAws, answer, refusal
from tests.support.servers import serving

SCENARIO = """
accounts: ["111122223333"]
quotas: false
operations:
  - &job
    kind: iot_job
    id: well
    region: eu-west-1
    items: 100
    timeline: [{at: 0s, status: IN_PROGRESS}, {at: 30s, status: COMPLETED, done: 1.0}]
  - <<: *job
    id: failing
    timeline: [{at: 0s, status: IN_PROGRESS}, {at: 60s, status: COMPLETED, done: 1.0, failed: 0.1}]
  - {<<: *job, id: cancelled, timeline: [{at: 0s, status: IN_PROGRESS}, {at: 9s, status: CANCELED, done: 0.5}]}
  - {<<: *job, id: long, timeline: [{at: 0s, status: IN_PROGRESS}, {at: 7d, done: 0.5}]}
  - {<<: *job, id: old, created: -1h, timeline: [{at: 0s, status: IN_PROGRESS}, {at: 9s, status: CANCELED}]}
  - {kind: thing_registration_task, id: task, region: eu-west-1, items: 9, timeline: [{at: 0s, status: Completed}]}
"""
UNTIL_DONE = Pace(interval=5.0, until_done=True, give_up_after=300.0)


@dataclass
class Recorded:
    """A view that keeps what it was shown."""

    pictures: list[Sequence[OperationLine]] = field(default_factory=list)
    cells: list[Sequence[CellLine]] = field(default_factory=list)

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        self.pictures.append(operations)
        self.cells.append(cells)


@contextmanager
def simulated(clock: ManualClock, scenario: str = SCENARIO) -> Iterator[None]:
    """Let AWS be the simulator, with the same clock."""
    app = application(parse_scenario(scenario, KINDS), KINDS, Models(), now=lambda: clock.at)
    with serving(app) as endpoint, aws_environment(endpoint):
        yield


def generation(clock: ManualClock, wish: Wish, config: str = "") -> Runtime:
    read = parse_config(config, KINDS) if config else _default_config(wish)
    process = new_process(KINDS, new_log("error"), Shard(), clock.clock())
    return first(process, read, lambda cells: _chosen(cells, wish))


def watched(clock: ManualClock, wish: Wish, config: str = "", pace: Pace = UNTIL_DONE) -> tuple[Findings, Recorded]:
    """Watch until all is done."""
    view = Recorded()

    async def run() -> Findings:
        return await follow(generation(clock, wish, config), view, clock.clock(), pace)

    return asyncio.run(run()), view


def jobs(*ids: str) -> Wish:
    return Wish(kind="iot_job", ids=ids)


@pytest.mark.parametrize(
    ("ids", "status", "badly"),
    [
        (("well",), 0, ()),
        (("well", "failing"), 1, ("failing",)),
        (("cancelled",), 1, ("cancelled",)),
        (("old", "well"), 1, ("old",)),
        (("well", "unknown"), 1, ("unknown",)),
    ],
)
def test_the_counts_decide_how_the_watch_ends(ids: tuple[str, ...], status: int, badly: tuple[str, ...]) -> None:
    clock = ManualClock()
    with simulated(clock):
        found, view = watched(clock, jobs(*ids))
    assert (found.ending, found.badly) == (status, badly)
    assert sorted(found.well + found.badly) == sorted(ids)
    assert {line.id for line in view.pictures[-1]} == set(ids) - {"unknown"}
    assert not any(line.active for line in view.pictures[-1])


def test_what_is_found_and_had_ended_before_the_watch_began_does_not_count() -> None:
    found_ones = "{kind: iot_job, discover: {id_pattern: ^(well|old)$}}"
    everything = f'accounts: [{{account_id: "111122223333", watch: [{found_ones}]}}]'
    clock = ManualClock()
    with simulated(clock):
        found, view = watched(clock, Wish(), everything)
    assert (found.ending, found.well, found.badly) == (0, ("well",), ())
    assert {line.id for line in view.pictures[-1]} == {"well", "old"}


def test_where_nothing_goes_on_there_is_nothing_to_wait_for() -> None:
    clock = ManualClock()
    with simulated(clock, 'accounts: ["111122223333"]\noperations: []\n'):
        found, _ = watched(clock, Wish())
    assert (found.ending, found.well, found.badly) == (0, (), ())


@dataclass
class Limited(Recorded):
    """A view that has seen enough at some time."""

    until: float = 0.0

    def show(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        super().show(operations, cells, now)
        if now >= self.until:
            raise KeyboardInterrupt


def test_without_until_done_the_watch_goes_on_when_everything_has_ended() -> None:
    clock = ManualClock()
    view = Limited(until=clock.at + 300)

    async def run() -> None:
        await follow(generation(clock, jobs("well")), view, clock.clock(), Pace(None, False, 60.0))

    with simulated(clock), pytest.raises(KeyboardInterrupt):
        asyncio.run(run())
    assert {line.status for line in view.pictures[-1]} == {"COMPLETED"}
    assert clock.at >= view.until


JOB = "/jobs/continuous"


def job(queued: int, failed: int, status: str = "IN_PROGRESS") -> dict[str, object]:
    details = {"numberOfQueuedThings": queued, "numberOfInProgressThings": 0, "numberOfFailedThings": failed}
    return {
        "job": {
            "jobId": "continuous",
            "status": status,
            "targetSelection": "CONTINUOUS",
            "jobProcessDetails": {**details, "numberOfSucceededThings": 3},
        }
    }


@pytest.mark.parametrize(("failed", "ending"), [(0, 0), (2, 1)])
def test_a_continuous_job_never_ends_and_is_done_while_no_thing_is_under_way(failed: int, ending: int) -> None:
    clock, aws = ManualClock(), ScriptedAws({JOB: answer(job(5, 0))})

    async def finish(seconds: float) -> None:
        await clock.sleep(seconds)
        if len(aws.requests) > 1:
            aws.answers[JOB] = answer(job(0, failed))

    async def run() -> Findings:
        return await follow(
            generation(clock, jobs("continuous")), view, replace(clock.clock(), sleep=finish), UNTIL_DONE
        )

    view = Recorded()
    with serving(aws.app()) as endpoint, aws_environment(endpoint, AWS_ACCOUNT_ID=ACCOUNT_ID):
        found = asyncio.run(run())
    assert found.ending == ending
    assert all(line.continuous and line.active for picture in view.pictures for line in picture)
    assert len(aws.requests) > 2


def unreachable(code: str, status: int, seconds: float) -> tuple[Findings, float]:
    """Watch a job whose AWS answers always the same; return what was found, and after how long."""
    clock = ManualClock()
    began = clock.at
    with (
        serving(ScriptedAws({"/jobs/x": refusal(code, status)}).app()) as endpoint,
        aws_environment(endpoint, AWS_ACCOUNT_ID=ACCOUNT_ID),
    ):
        found, _ = watched(clock, jobs("x"), pace=Pace(5.0, True, seconds))
    return found, clock.at - began


def test_what_cannot_be_read_is_given_up_after_a_while() -> None:
    found, waited = unreachable("InternalFailureException", 500, 120.0)
    assert (found.ending, [key.kind for key in found.unreachable]) == (3, ["iot_job"])
    assert 120 <= waited < 180


def test_what_no_waiting_cures_is_given_up_at_once() -> None:
    found, waited = unreachable("AccessDeniedException", 403, 3600.0)
    assert found.ending == 3
    assert waited < 60


@pytest.mark.parametrize(
    ("wish", "config", "problems"),
    [
        (Wish(ids=("a",)), "", ["--kind: expected one of "]),
        (Wish(kind="no", ids=("a",)), "", ["--kind: expected one of "]),
        (Wish(kind="iot_job", ids=("a", "b c"), region="nowhere"), "", ["--region: expected", "--id: expected an id"]),
        (Wish(kind="iot_job", ids=("a", "a")), "", ["accounts[0].watch[0].ids: the same value again"]),
        (Wish(account="x"), "", ["--account, --region, --kind: nothing that is watched fits"]),
        (Wish(kind="iot_job", ids=("a",), account="x"), "labels: {}", ["--account: none of those"]),
    ],
)
def test_a_wish_that_cannot_be_met_names_its_flags(wish: Wish, config: str, problems: list[str]) -> None:
    with aws_environment("http://127.0.0.1:1"), pytest.raises(ConfigError) as caught:
        generation(ManualClock(), wish, config)
    assert [line[: len(said)] for line, said in zip(caught.value.problems, problems, strict=True)] == problems


def test_flags_choose_what_is_watched_of_a_configuration() -> None:
    config = """
accounts:
  - {name: a, account_id: "111122223333", regions: [eu-west-1, us-east-1]}
  - name: b
    account_id: "444455556666"
    regions: [eu-west-1]
    watch: [{kind: greengrass_bulk_deployment, discover: true, details: true}]
"""
    with aws_environment("http://127.0.0.1:1"):
        chosen = generation(ManualClock(), Wish(region="us-east-1", kind="iot_job"), config).cells
        named = generation(ManualClock(), Wish("b", "", "greengrass_bulk_deployment", ("x",)), config).cells
        alone = generation(ManualClock(), Wish(kind="greengrass_bulk_deployment", ids=("x",))).cells
    assert [(cell.account.name, cell.region, cell.kind.name) for cell in chosen] == [("a", "us-east-1", "iot_job")]
    details = [(cell.watch.ids, cell.watch.discover, cell.watch.options) for cell in named + alone]
    assert details == [(("x",), None, frozenset({"details"}))] * 2
