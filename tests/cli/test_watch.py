"""The exit status of ``watch`` states how the operations ended. A completed operation can have failed items."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest

from exporter.app.exporter import new_process_context
from exporter.app.runtime import Runtime
from exporter.aws.models import Models
from exporter.cli.commands.watch import End, Filter, filtered_runtime, flags_config, watch
from exporter.cli.exit_status import ExitStatus
from exporter.cli.flags import failure_limit
from exporter.cli.watch_output import result_lines
from exporter.cli.watch_result import ResultTracker, WatchResult
from exporter.config.loader import parse_config
from exporter.config.partitions import is_enabled_by_default
from exporter.core.errors import ConfigError, Reason
from exporter.core.log import new_log
from exporter.core.model import ItemCounts, Reading, Shard, Snapshot
from exporter.kinds.iot_job import parse
from exporter.kinds.phase import FailureLimit, Outcome
from exporter.kinds.registry import KINDS
from exporter.metrics.summary import CellLine, OperationLine
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_simulated_aws
from tests.support.scripted_endpoint import ACCOUNT_ID, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

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


UNTIL_DONE = End()
STATUSES = (("IN_PROGRESS", 1.0), ("COMPLETED", 2.0))


@dataclass
class RecordingView:
    """A view that records the operations, and interrupts the watch at a time."""

    operations: list[Sequence[OperationLine]] = field(default_factory=list)
    until: float = math.inf

    def __call__(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        self.operations.append(operations)
        if now >= self.until:
            raise KeyboardInterrupt


def ids(result: WatchResult, outcome: Outcome) -> list[str]:
    """Return the ids of the operations with an outcome."""
    return [operation.id for operation in result.with_outcome(outcome)]


@contextmanager
def simulated(clock: ManualClock, scenario: str = SCENARIO) -> Iterator[None]:
    """Simulate AWS with the same clock."""
    app = application(parse_scenario(scenario, KINDS), KINDS, Models(), now=lambda: clock.at)
    with serve_app(app) as endpoint, aws_environment(endpoint):
        yield


def new_runtime(filter: Filter, config: str = "", clock: ManualClock | None = None) -> Runtime:
    parsed = parse_config(config, KINDS) if config else flags_config(filter)
    process = new_process_context(KINDS, new_log("error"), Shard(), (clock or ManualClock()).clock())
    return filtered_runtime(process, parsed, filter)


def new_tracker(runtime: Runtime, clock: ManualClock, end: End) -> ResultTracker:
    return ResultTracker(runtime.cells, clock.clock(), end.give_up_after, end.max_failed)


def run_watch(
    clock: ManualClock, filter: Filter, config: str = "", end: End = UNTIL_DONE
) -> tuple[WatchResult, RecordingView]:
    """Watch until all operations have ended."""
    view = RecordingView()

    async def run() -> WatchResult:
        runtime = new_runtime(filter, config, clock)
        return await watch(runtime, new_tracker(runtime, clock, end), view, clock.clock(), end)

    return asyncio.run(run()), view


def jobs(*ids: str) -> Filter:
    return Filter(kind="iot_job", ids=ids)


@pytest.mark.parametrize(
    ("watched", "status", "failed"),
    [
        (("well",), 0, ()),
        (("well", "failing"), 1, ("failing",)),
        (("cancelled",), 1, ("cancelled",)),
        (("old", "well"), 1, ("old",)),
        (("well", "unknown"), 1, ("unknown",)),
    ],
)
def test_the_counts_decide_the_exit_status(watched: tuple[str, ...], status: int, failed: tuple[str, ...]) -> None:
    clock = ManualClock()
    with simulated(clock):
        result, view = run_watch(clock, jobs(*watched))
    assert (result.exit_status, tuple(ids(result, Outcome.FAILED))) == (status, failed)
    assert sorted(operation.id for operation in result.operations) == sorted(watched)
    assert {line.id for line in view.operations[-1]} == set(watched) - {"unknown"}
    assert not any(line.active for line in view.operations[-1])


EXPLAINED = SCENARIO.replace(
    "id: failing\n", "id: failing\n    failures: [{reason: no space on /dev/sda1, items: 3}, {reason: no signal}]\n"
)
REFUSED = "faults: [{api: ListJobExecutionsForJob, error: AccessDeniedException, status: 403}]\n"
HANGING = "faults: [{api: ListJobExecutionsForJob, hang: head}]\n"


def test_a_watch_that_ends_with_1_has_the_most_frequent_reasons() -> None:
    clock = ManualClock()
    with simulated(clock, EXPLAINED):
        result, _ = run_watch(clock, jobs("failing", "well"))
    assert [(group.reason, group.count) for group in result.reasons.groups] == [
        ("reason: no space on <path>", 8),
        ("reason: no signal", 2),
    ]
    assert (result.exit_status, result.reasons.failures, result.reasons.items) == (1, 10, 10)


def test_a_watch_without_failures_reads_no_reasons() -> None:
    clock = ManualClock()
    with simulated(clock, EXPLAINED + REFUSED):
        result, _ = run_watch(clock, jobs("well"))
    assert (result.exit_status, result.reasons.groups) == (0, ())


@pytest.mark.parametrize(("fault", "timeout"), [(REFUSED, None), (HANGING, 60.5)])
def test_reasons_that_cannot_be_read_do_not_change_the_status(fault: str, timeout: float | None) -> None:
    clock = ManualClock()
    with simulated(clock, EXPLAINED + fault):
        result, _ = run_watch(clock, jobs("failing", "unknown"), end=End(timeout=timeout))
    assert (result.exit_status, result.reasons.groups) == (1, ())


RETRIED = """
accounts: ["111122223333"]
quotas: false
operations:
  - &job
    kind: iot_job
    id: retried
    region: eu-west-1
    items: 100
    allowed_retries: {FAILED: 3}
    retries: 2
    timeline: [{at: 0s, status: IN_PROGRESS}, {at: 30s, status: COMPLETED, done: 1.0}]
  - {<<: *job, id: undecided, retries: 40}
  - {<<: *job, id: failing, retries: 0, items: 1, timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 1.0}]}
  - {<<: *job, id: deployment, kind: greengrass_deployment, retries: 40, timeline: [{at: 0s, status: ACTIVE},
     {at: 30s, status: COMPLETED, done: 1.0}]}
"""


@pytest.mark.parametrize(
    ("kind", "watched", "status", "undecided"),
    [
        ("iot_job", ["retried"], 0, []),
        ("iot_job", ["failing", "undecided", "retried"], 1, ["undecided"]),
        ("iot_job", ["retried", "undecided"], 4, ["undecided"]),
        ("greengrass_deployment", ["deployment"], 4, ["deployment"]),
    ],
)
def test_failures_before_a_retry_do_not_decide_the_exit_status(
    kind: str, watched: list[str], status: int, undecided: list[str]
) -> None:
    clock = ManualClock()
    with simulated(clock, RETRIED):
        result, _ = run_watch(clock, Filter(kind=kind, ids=watched))
    assert (result.exit_status, ids(result, Outcome.UNDECIDED)) == (status, undecided)
    assert all(" to " in operation.reason for operation in result.with_outcome(Outcome.UNDECIDED))


def test_a_discovered_operation_that_ended_before_the_watch_does_not_count() -> None:
    discovered = "{kind: iot_job, discover: {id_pattern: ^(well|old)$}}"
    everything = f'accounts: [{{account_id: "111122223333", watch: [{discovered}]}}]'
    clock = ManualClock()
    with simulated(clock):
        result, view = run_watch(clock, Filter(), everything)
    assert (result.exit_status, ids(result, Outcome.SUCCEEDED), len(result.operations)) == (0, ["well"], 1)
    assert {line.id for line in view.operations[-1]} == {"well", "old"}


def test_the_watch_waits_for_active_operations_beyond_the_limit() -> None:
    limited = "{kind: iot_job, discover: {max_operations: 1}}"
    config = f'accounts: [{{account_id: "111122223333", watch: [{limited}]}}]'
    # Nothing of the continuous job, which takes the only place, is pending.
    scenario = """
accounts: ["111122223333"]
operations:
  - {kind: iot_job, id: continuous, region: eu-west-1, continuous: true, created: -1h, items: 3,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 10m, done: 1.0}]}
  - {kind: iot_job, id: older, region: eu-west-1, created: -2h, items: 3,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 130m, status: COMPLETED, done: 1.0}]}
"""
    clock = ManualClock()
    began = clock.at
    with simulated(clock, scenario):
        result, _ = run_watch(clock, Filter(), config)
    assert result.exit_status == 0
    assert clock.at - began >= 600


def test_a_watch_without_active_operations_succeeds_at_once() -> None:
    clock = ManualClock()
    with simulated(clock, 'accounts: ["111122223333"]\noperations: []\n'):
        result, _ = run_watch(clock, Filter())
    assert (result.exit_status, result.operations) == (0, ())


def test_without_until_done_the_watch_continues_after_all_operations_have_ended() -> None:
    clock = ManualClock()
    view = RecordingView(until=clock.at + 300)

    async def run() -> None:
        runtime, end = new_runtime(jobs("well"), clock=clock), End(until_done=False)
        await watch(runtime, new_tracker(runtime, clock, end), view, clock.clock(), end)

    with simulated(clock), pytest.raises(KeyboardInterrupt):
        asyncio.run(run())
    assert {line.status for line in view.operations[-1]} == {"COMPLETED"}
    assert clock.at >= view.until


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        (FailureLimit(), 1),
        (FailureLimit(number=9), 1),
        (FailureLimit(number=10), 0),
        (failure_limit("9%"), 1),
        (failure_limit("10%"), 0),
    ],
    ids=str,
)
def test_an_operation_may_have_as_many_failures_as_the_limit_allows(limit: FailureLimit, status: int) -> None:
    clock = ManualClock()
    with simulated(clock):
        result, _ = run_watch(clock, jobs("failing"), end=End(max_failed=limit))
    assert result.exit_status == status
    assert [operation.reason for operation in result.operations] == ["COMPLETED, 10 of 100 failed"]


def test_a_percentage_is_exact() -> None:
    for failed in range(101):
        assert failure_limit(f"{failed}%").allows(failed, ItemCounts(100 - failed, failed))


def test_a_limit_of_failures_does_not_excuse_a_cancelled_operation() -> None:
    clock = ManualClock()
    with simulated(clock):
        result, _ = run_watch(clock, jobs("cancelled"), end=End(max_failed=FailureLimit(ratio=Fraction(1))))
    assert result.exit_status == 1


@pytest.mark.parametrize("until_done", [True, False])
def test_the_watch_ends_after_its_time_out(until_done: bool) -> None:
    clock = ManualClock()
    began = clock.at
    with simulated(clock):
        result, _ = run_watch(clock, jobs("long", "well"), end=End(until_done=until_done, timeout=120.0))
    assert (result.exit_status, ids(result, Outcome.PENDING), ids(result, Outcome.SUCCEEDED)) == (5, ["long"], ["well"])
    assert 120 <= clock.at - began < 180


def test_a_refresh_under_way_decides_nothing() -> None:
    with aws_environment("http://127.0.0.1:1"):
        (cell,) = new_runtime(Filter(region="eu-west-1", kind="iot_job")).cells
    tracker = ResultTracker((cell,), ManualClock().clock(), 300.0)
    running, ended = (Reading(parse("x", {"job": {"status": status}}), at) for status, at in STATUSES)
    before = Snapshot(cell.key, cell.configured_scope, (running,), up=True, duration=0.1)
    # A refresh has read the end of the first job, and found a second job that it has not read yet.
    partial = replace(before, readings=(ended,), missing=1)
    complete = replace(partial, readings=(ended, replace(running, operation=replace(running.operation, id="y"))))
    statuses = [
        tracker.update([snapshot], under_way).exit_status
        for snapshot, under_way in ((before, ()), (partial, {cell.key}), (complete, ()))
    ]
    assert statuses == [None, None, None]


def test_a_refresh_that_failed_decides_nothing_although_all_known_operations_have_ended() -> None:
    with aws_environment("http://127.0.0.1:1"):
        (cell,) = new_runtime(Filter(region="eu-west-1", kind="iot_job")).cells
    tracker = ResultTracker((cell,), ManualClock().clock(), 300.0)
    running, ended = (
        Reading(parse("x", {"job": {"status": status, "jobProcessDetails": {"numberOfFailedThings": 0}}}), at)
        for status, at in STATUSES
    )
    before = Snapshot(cell.key, cell.configured_scope, (running,), up=True, duration=0.1)
    # The list that could contain a new operation was not read.
    failed = replace(before, readings=(ended,), up=False, reasons=frozenset({Reason.OTHER}))
    complete = replace(before, readings=(ended,))
    statuses = [tracker.update([snapshot]).exit_status for snapshot in (before, failed, complete)]
    assert statuses == [None, None, ExitStatus.SUCCEEDED]


def test_a_long_first_refresh_that_reads_operations_is_not_given_up() -> None:
    clock = ManualClock()
    with aws_environment("http://127.0.0.1:1"):
        (cell,) = new_runtime(Filter(region="eu-west-1", kind="iot_job")).cells
    tracker = ResultTracker((cell,), clock.clock(), 300.0)
    filling = Snapshot(cell.key, cell.configured_scope, missing=9)
    for minute in range(10):
        reading = Reading(parse(str(minute), {"job": {"status": "IN_PROGRESS"}}), clock.at)
        filling = replace(filling, readings=(*filling.readings, reading))
        assert tracker.update([filling], {cell.key}).exit_status is None
        clock.advance(60)
    clock.advance(300)
    assert tracker.update([filling], {cell.key}).exit_status == ExitStatus.UNREACHABLE


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


@pytest.mark.parametrize(("failed", "status"), [(0, 0), (2, 1)])
def test_a_continuous_job_counts_as_ended_while_no_thing_is_pending(failed: int, status: int) -> None:
    clock, aws = ManualClock(), ScriptedAws({JOB: json_response(job(5, 0))})

    async def finish(seconds: float) -> None:
        await clock.sleep(seconds)
        if len(aws.requests) > 1:
            aws.responses[JOB] = json_response(job(0, failed))

    async def run() -> WatchResult:
        runtime = new_runtime(jobs("continuous"), clock=clock)
        end = End()
        return await watch(runtime, new_tracker(runtime, clock, end), view, replace(clock.clock(), sleep=finish), end)

    view = RecordingView()
    with serve_app(aws.app()) as endpoint, aws_environment(endpoint, AWS_ACCOUNT_ID=ACCOUNT_ID):
        result = asyncio.run(run())
    assert result.exit_status == status
    assert all(line.continuous and line.active for lines in view.operations for line in lines)
    assert len(aws.requests) > 2


@pytest.mark.parametrize(
    ("code", "status", "give_up_after", "seconds"),
    [("InternalFailureException", 500, 120.0, (120, 180)), ("AccessDeniedException", 403, 3600.0, (0, 60))],
    ids=["after the time of the flag", "at once on a permanent error"],
)
def test_the_watch_gives_up_when_a_cell_cannot_be_read(
    code: str, status: int, give_up_after: float, seconds: tuple[float, float]
) -> None:
    clock = ManualClock()
    began, aws = clock.at, ScriptedAws({"/jobs/x": error_response(code, status)})
    with serve_app(aws.app()) as endpoint, aws_environment(endpoint, AWS_ACCOUNT_ID=ACCOUNT_ID):
        result, _ = run_watch(clock, jobs("x"), end=End(give_up_after=give_up_after))
    assert (result.exit_status, [key.kind for key in result.unreadable]) == (3, ["iot_job"])
    assert seconds[0] <= clock.at - began < seconds[1]


def test_the_result_names_the_cause_if_no_refresh_of_a_cell_has_ended() -> None:
    clock, end = ManualClock(), End(give_up_after=120.0)
    with aws_environment(""):
        tracker = new_tracker(new_runtime(jobs("x"), clock=clock), clock, end)
    clock.advance(119.0)
    assert tracker.result().unreadable == {}
    clock.advance(1.0)
    (line, *_) = result_lines(tracker.result())
    assert line == "cannot be read: default eu-west-1 iot_job: no refresh ended within --give-up-after"


TWO_ACCOUNTS = """
accounts:
  - {name: a, account_id: "111122223333", regions: [eu-west-1]}
  - {name: b, account_id: "444455556666", regions: [us-east-1]}
"""


@pytest.mark.parametrize(
    ("filter", "config", "problems"),
    [
        (Filter(ids=("a",)), "", ["--kind: expected one of "]),
        (Filter(kind="no", ids=("a",)), "", ["--kind: expected one of "]),
        (
            Filter(kind="iot_job", ids=("a", "b c"), region="nowhere"),
            "",
            ["--region: expected", "--id: expected an id"],
        ),
        (Filter(kind="iot_job", ids=("a", "a")), "", ["accounts[0].watch[0].ids: duplicate value at"]),
        (Filter(account="x"), "", ["--account: the configuration does not watch it; expected one of default"]),
        (
            Filter(account="x", region="us-west-2"),
            TWO_ACCOUNTS,
            [
                "--account: the configuration does not watch it; expected one of a, b",
                "--region: the configuration does not watch it; expected one of eu-west-1, us-east-1",
            ],
        ),
        (
            Filter(account="b", region="eu-west-1"),
            TWO_ACCOUNTS,
            ["--account, --region, --kind: no watched cell matches all of them"],
        ),
        (Filter(kind="iot_job", ids=("a",), account="x"), "labels: {}", ["--account: not watched by"]),
    ],
)
def test_a_filter_that_matches_nothing_is_reported_with_its_flags(
    filter: Filter, config: str, problems: list[str]
) -> None:
    with aws_environment("http://127.0.0.1:1"), pytest.raises(ConfigError) as caught:
        new_runtime(filter, config)
    assert [line[: len(begin)] for line, begin in zip(caught.value.problems, problems, strict=True)] == problems


def test_flags_select_cells_of_a_configuration() -> None:
    config = """
accounts:
  - {name: a, account_id: "111122223333", regions: [eu-west-1, us-east-1]}
  - name: b
    account_id: "444455556666"
    regions: [eu-west-1]
    watch: [{kind: greengrass_bulk_deployment, discover: true, details: true}]
"""
    with aws_environment("http://127.0.0.1:1"):
        filtered = new_runtime(Filter(region="us-east-1", kind="iot_job"), config).cells
        by_id = new_runtime(Filter(account="b", kind="greengrass_bulk_deployment", ids=("x",)), config).cells
        without_config = new_runtime(Filter(kind="greengrass_bulk_deployment", ids=("x",))).cells
    assert [(cell.account.name, cell.region, cell.kind.name) for cell in filtered] == [("a", "us-east-1", "iot_job")]
    details = [(cell.watch.ids, cell.watch.discover, cell.watch.options) for cell in by_id + without_config]
    assert details == [(("x",), None, frozenset({"details"}))] * 2


IN_ALL_REGIONS = """
accounts:
  - {name: a, account_id: "111122223333", regions: all, watch: [{kind: iot_job, discover: true}]}
  - {name: b, role_arn: "arn:aws:iam::444455556666:role/x", regions: all, watch: [{kind: iot_job, discover: true}]}
"""
OPT_IN = """
accounts: ["111122223333", "444455556666"]
operations: []
opt_in_regions: [{region: me-central-1, account: "111122223333"}, {region: me-south-1, account: "444455556666"}]
"""
DENIED = "faults: [{api: ListRegions, error: AccessDeniedException, status: 403}]"


@pytest.mark.parametrize(
    ("filter", "optional", "reads"),
    [
        (Filter(), {("a", "me-central-1"), ("b", "me-south-1")}, 2),
        (Filter(account="b"), {("b", "me-south-1")}, 1),
        (Filter(account="444455556666", region="me-south-1"), {("b", "me-south-1")}, 1),
        (Filter(region="me-central-1", kind="iot_job", ids=("x",), account="a"), {("a", "me-central-1")}, 1),
        (Filter(region="eu-west-1"), set(), 0),
    ],
    ids=["every account", "an account", "an account id", "an operation", "a Region that is enabled by default"],
)
def test_a_watch_of_all_regions_includes_those_that_the_matching_accounts_have_enabled(
    filter: Filter, optional: set[tuple[str, str]], reads: int
) -> None:
    with serve_simulated_aws(OPT_IN, ManualClock()) as (endpoint, requests), aws_environment(endpoint):
        cells = new_runtime(filter, IN_ALL_REGIONS).cells
    assert {(cell.account.name, cell.region) for cell in cells if not is_enabled_by_default(cell.region)} == optional
    assert requests.count("/listRegions") == reads


def test_a_watch_that_cannot_read_the_regions_includes_those_that_are_enabled_by_default() -> None:
    with serve_simulated_aws(OPT_IN + DENIED, ManualClock()) as (endpoint, _), aws_environment(endpoint):
        cells = new_runtime(Filter(), IN_ALL_REGIONS).cells
        with pytest.raises(ConfigError, match="--region: the configuration does not watch it"):
            new_runtime(Filter(region="me-central-1"), IN_ALL_REGIONS)
    assert {cell.account.name for cell in cells} == {"a", "b"}
    assert all(is_enabled_by_default(cell.region) for cell in cells)
