"""A reload replaces everything at once. Cells that stay keep their data, quotas stay spent, and nothing grows."""

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from exporter.app.exporter import new_exporter
from exporter.aws.budget import Budgets
from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import Models
from exporter.aws.workers import Workers
from exporter.collector.cells import Cell, configured_cells, target_cell
from exporter.collector.probe import MAX_KEPT, Prober
from exporter.config.loader import ConfigFile, parse_config
from exporter.config.sections import Aws, Refresh
from exporter.core.errors import ApiError, ConfigError, Reason
from exporter.core.log import new_log
from exporter.core.model import CellKey, Operation, Reading, Scope, Snapshot
from exporter.kinds.registry import KINDS
from exporter.kinds.thing_registration_task import DESCRIBE
from exporter.metrics.eta import Estimates
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import table
from exporter.metrics.self_metrics import ApiMetrics
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import ServedExporter, aws_environment, serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.servers import hanging_endpoint
from tests.support.waiting import wait_for_calls, wait_until

ACCOUNT = '{{account_id: "111122223333", regions: [{regions}], watch: [{watch}]}}'
IDS = "{{kind: thing_registration_task, ids: [{}]}}"
SCENARIO = """
accounts: ["111122223333", "444455556666"]
quotas: false
operations:
  - &task
    kind: thing_registration_task
    id: short
    region: eu-west-1
    items: 1000
    timeline: [{at: 0s, status: InProgress}, {at: 30s, status: Completed, done: 1.0}]
  - {<<: *task, id: long, timeline: [{at: 0s, status: InProgress}, {at: 7d, done: 1.0}]}
  - {<<: *task, region: us-east-1}
  - {<<: *task, id: long, region: us-east-1, timeline: [{at: 0s, status: InProgress}, {at: 7d, done: 1.0}]}
"""
LONG = "/thing-registration-tasks/long"
COUNT = "aws_iot_thing_registration_task_succeeded_things"
SUCCESSFUL = "aws_iot_bulk_exporter_config_last_reload_successful"


def config(watch: str = IDS.format("short, long"), regions: str = "eu-west-1", more: str = "") -> str:
    """Return a configuration of one account."""
    return f"accounts: [{ACCOUNT.format(regions=regions, watch=watch)}]\n{more}"


def operations(exposed: str) -> set[tuple[str, str]]:
    """Return the Region and the id of each operation that has a count."""
    return {(labels["aws_region"], labels["id"]) for labels, _ in Scrape(exposed).rows(COUNT)}


def values(exposed: str, name: str) -> dict[str, float]:
    """Return the values of a metric by Region, or by an empty name if it has no Region."""
    return {labels.get("aws_region", ""): value for labels, value in Scrape(exposed).rows(name)}


def at_once(exporter: ServedExporter) -> str:
    """Return the metrics at a moment when nothing is due."""
    return exporter.scrape(after=0.0)


def test_the_same_file_again_causes_no_call_and_keeps_all_series() -> None:
    with serve_simulation(config(), SCENARIO) as simulation:
        before = simulation.exporter.scrape()
        assert simulation.requests_of(lambda: simulation.exporter.reload(config())) == []
        assert simulation.requests_of(lambda: at_once(simulation.exporter)) == []
        assert operations(at_once(simulation.exporter)) == operations(before)
        assert simulation.requests_of(simulation.exporter.scrape) == [LONG]


def test_a_removed_region_leaves_the_metrics_at_once_and_counters_continue() -> None:
    with serve_simulation(config(regions="eu-west-1, us-east-1"), SCENARIO) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(config())
        exposed = at_once(simulation.exporter)
    assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
    for name in ("up", "operations", "api_budget_ratio", "last_success_timestamp_seconds"):
        assert values(exposed, f"aws_iot_bulk_exporter_{name}").keys() == {"eu-west-1"}
    assert values(exposed, "aws_iot_bulk_exporter_api_requests_total") == {"eu-west-1": 2.0, "us-east-1": 2.0}


def test_an_added_id_is_read_with_the_next_scrape_and_a_final_one_is_not_read_again() -> None:
    with serve_simulation(config(IDS.format("short")), SCENARIO) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(config())
        assert simulation.requests_of(lambda: at_once(simulation.exporter)) == [LONG]
        assert operations(at_once(simulation.exporter)) == {("eu-west-1", "short"), ("eu-west-1", "long")}


DISCOVER = "{{kind: thing_registration_task, discover: {}}}"


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (config(IDS.format("short, long")), config(IDS.format("long")), {"long"}),
        (config(IDS.format("short, long")), config(DISCOVER.format("true")), {"short", "long"}),
        (config(IDS.format("short, long")), config(DISCOVER.format("{statuses: [InProgress]}")), {"long"}),
        (config(DISCOVER.format("true")), config(DISCOVER.format("{id_pattern: ^s}")), {"short"}),
        (config(DISCOVER.format("true")), config(DISCOVER.format("{statuses: [Failed]}")), set()),
        (config(DISCOVER.format("true")), config(DISCOVER.format("{max_operations: 1}")), {"long"}),
        (config(DISCOVER.format("true")), config(IDS.format("short")), {"short"}),
        (config(DISCOVER.format("{statuses: [Completed]}")), config(DISCOVER.format("true")), {"short"}),
        (config(IDS.format("short, long")), config("{kind: greengrass_bulk_deployment, discover: true}"), set()),
        pytest.param(config(), config().replace("111122223333", "444455556666"), set(), id="another account"),
    ],
)
def test_only_operations_that_are_still_watched_keep_their_series_while_aws_fails(
    before: str, after: str, stays: set[str]
) -> None:
    fails = "faults: [{from: 61s, error: InternalFailureException, status: 500}]\n"
    with serve_simulation(before, SCENARIO + fails) as simulation:
        simulation.exporter.scrape()
        assert simulation.exporter.reload(after).status_code == 200
        assert operations(simulation.exporter.scrape(after=2.0)) == {("eu-west-1", id) for id in stays}


def test_an_invalid_file_is_refused_with_all_its_problems_and_the_old_one_stays_in_use() -> None:
    invalid = config(more="refresh: {min_age: SECRET}\naws: {api_budget: 7}\n")
    with serve_simulation(config(), SCENARIO) as simulation:
        exporter = simulation.exporter
        exporter.scrape()
        response = exporter.reload(invalid)
        assert response.status_code == 500
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.text.splitlines() == [
            "refresh.min_age: expected a duration such as 10s, 5m or 7d",
            "aws.api_budget: must be at most 1",
        ]
        exposed = at_once(exporter)
        assert values(exposed, SUCCESSFUL) == {"": 0.0}
        assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
        assert exporter.log.getvalue().count("configuration not reloaded") == 1
        assert exporter.reload(config()).status_code == 200
        assert values(at_once(exporter), SUCCESSFUL) == {"": 1.0}
    assert "SECRET" not in exporter.log.getvalue() + response.text


def test_a_refresh_of_a_removed_cell_does_not_restore_its_series() -> None:
    with serve_simulation(config(regions="eu-west-1, us-east-1"), SCENARIO + "latency: 300ms\n") as simulation:
        simulation.exporter.scrape(within="0.51")
        simulation.exporter.reload(config())
        for _ in range(3):
            exposed = simulation.exporter.scrape()
            assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
            assert values(exposed, "aws_iot_bulk_exporter_up") == {"eu-west-1": 1.0}


def test_a_scrape_in_progress_returns_only_the_new_configuration() -> None:
    hangs = "faults: [{region: us-east-1, delay: 60s}]\n"
    with serve_simulation(config(regions="us-east-1"), SCENARIO + hangs) as simulation, ThreadPoolExecutor(1) as pool:
        scraped = pool.submit(simulation.exporter.scrape)
        wait_until(lambda: simulation.requests or None, "a request")
        simulation.exporter.reload(config())
        exposed = scraped.result(timeout=30)
    assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
    assert values(exposed, "aws_iot_bulk_exporter_up") == {"eu-west-1": 1.0}


def test_concurrent_reloads_all_succeed_one_after_the_other() -> None:
    with serve_simulation(config(), SCENARIO) as simulation, ThreadPoolExecutor(8) as pool:
        exporter = simulation.exporter
        statuses = list(pool.map(lambda _: exporter.reload(config()).status_code, range(16)))
        assert statuses == [200] * 16
        assert exporter.log.getvalue().count("configuration reloaded") == 16


def test_a_reload_changes_limits_and_labels() -> None:
    changed = config(more="aws: {api_budget: 0.25}\nlabels: {tags: [team]}\nrefresh: {min_age: 2m}\n")
    with serve_simulation(config(), SCENARIO) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(changed)
        exposed = at_once(simulation.exporter)
        assert values(exposed, "aws_iot_bulk_exporter_api_budget_ratio") == {"eu-west-1": 0.25}
        assert 'tag_team=""' in exposed
        assert simulation.requests_of(lambda: simulation.exporter.scrape(after=100.0)) == []
        assert simulation.requests_of(lambda: simulation.exporter.scrape(after=21.0)) == [LONG]


ROLES = """
accounts:
  - name: field
    regions: [eu-west-1]
    role_arn: arn:aws:iam::111122223333:role/{role}
    external_id: {external}
    watch: [{{kind: thing_registration_task, ids: [long]}}]
aws: {{read_timeout: {timeout}}}
"""
TRUST = """
roles:
  - {arn: "arn:aws:iam::111122223333:role/reader", external_id: first}
  - {arn: "arn:aws:iam::111122223333:role/auditor", external_id: second}
"""


@pytest.mark.parametrize(
    ("role", "external", "timeout", "assumed"),
    [("reader", "first", "8s", 0), ("auditor", "second", "8s", 1), ("reader", "first", "9s", 1)],
)
def test_a_role_is_assumed_again_only_if_it_or_a_time_out_changed(
    role: str, external: str, timeout: str, assumed: int
) -> None:
    with serve_simulation(ROLES.format(role="reader", external="first", timeout="8s"), SCENARIO + TRUST) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(ROLES.format(role=role, external=external, timeout=timeout))
        requests = simulation.requests_of(lambda: simulation.exporter.scrape(after=1000.0))
        assert requests.count("/") == assumed
        assert operations(at_once(simulation.exporter)) == {("eu-west-1", "long")}


def test_only_the_first_problems_of_a_file_are_returned_and_logged() -> None:
    with serve_simulation(config(), SCENARIO) as simulation:
        response = simulation.exporter.reload(f"labels: {{tags: [{'1, ' * 1020}]}}")
        log = simulation.exporter.log.getvalue()
    shown = [f"labels.tags[{number}]: expected text; put it in quotes" for number in range(20)]
    assert response.text.splitlines() == [*shown, "and 1,000 more; correct these first"]
    assert log.count("put it in quotes") == len(shown)
    assert log.count("and 1,000 more; correct these first") == 1


def test_reload_and_configuration_respond_while_aws_hangs() -> None:
    slow = config(more="refresh: {deadline: 1h}\naws: {read_timeout: 1h}\n")
    with (
        ThreadPoolExecutor(1) as pool,
        hanging_endpoint() as (endpoint, aws),
        serve_exporter(slow, endpoint) as exporter,
    ):
        scraped = pool.submit(http_requests.get, f"{exporter.url}/metrics", timeout=3600)
        connection, _ = aws.accept()
        assert http_requests.get(f"{exporter.url}/config").status_code == 200
        assert exporter.reload("accounts: []").status_code == 500
        assert exporter.reload(slow).status_code == 200
        assert not scraped.done()
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
        assert http_requests.get(f"{exporter.url}/metrics", headers=header).status_code == 200
        connection.close()
    wait_for_calls()


@given(shares=st.lists(st.floats(0.01, 1.0), max_size=30), takes=st.integers(0, 5))
def test_no_change_of_the_budget_returns_spent_tokens(shares: list[float], takes: int) -> None:
    budgets = Budgets(0.5, ManualClock().clock())
    bucket = budgets.budget("111122223333", "eu-west-1", DESCRIBE).bucket
    taken = 0
    for share in (0.5, *shares):
        budgets.set_share(share)
        taken += sum(bucket.take() == 0.0 for _ in range(takes))
    assert taken <= 5


@pytest.mark.parametrize(("share", "ratio"), [(0.25, 0.25), (1.0, 0.9), (0.5, 0.5)])
def test_a_new_budget_applies_at_once_and_throttling_stays_in_effect(share: float, ratio: float) -> None:
    clock = ManualClock()
    budgets = Budgets(0.5, clock.clock())
    bucket = budgets.budget("111122223333", "eu-west-1", DESCRIBE).bucket
    bucket.slow_down()
    budgets.set_share(share)
    ratios = {key: budgets.ratio(key) for key in budgets.in_use()}
    assert ratios == {("111122223333", "eu-west-1", "iot", DESCRIBE.name): pytest.approx(ratio / 2)}
    clock.advance(60)
    assert bucket.ratio == pytest.approx(ratio)


def test_the_next_configuration_keeps_budgets_and_workers_and_the_clients_of_remaining_accounts() -> None:
    async def run() -> list[ScopeApi]:
        gateway = Gateway(Models(), Aws(), ApiMetrics(CollectorRegistry()), ManualClock().clock())
        (account,) = parse_config('accounts: [{account_id: "111122223333"}]', KINDS).accounts
        apis = []
        for accounts in ([account], [account], [], [account]):
            gateway = gateway.with_settings(Aws(), accounts, 0.0)
            apis.append(await gateway.connect(account, "eu-west-1", "test"))
        return apis

    with aws_environment("http://127.0.0.1:1"):
        first, same, new, same_new = asyncio.run(run())
    assert first.clients is same.clients is not new.clients
    assert new.clients is same_new.clients
    assert first.gateway.budgets is same_new.gateway.budgets
    assert first.workers is same.workers is not new.workers is same_new.workers


def test_the_workers_of_a_removed_account_are_kept_while_a_call_runs() -> None:
    async def run() -> list[Workers]:
        gateway = Gateway(Models(), Aws(), ApiMetrics(CollectorRegistry()), ManualClock().clock())
        (account,) = parse_config('accounts: [{account_id: "111122223333"}]', KINDS).accounts
        release, found = threading.Event(), []
        workers = (await gateway.connect(account, "eu-west-1", "test")).workers
        call = asyncio.create_task(workers.run(release.wait, 600))
        await asyncio.sleep(0)
        for _ in range(2):
            gateway = gateway.with_settings(Aws(), [], 0.0)
            found.append((await gateway.connect(account, "eu-west-1", "test")).workers)
            release.set()
            await call
        return [workers, *found]

    with aws_environment("http://127.0.0.1:1"):
        first, hanging, ended = asyncio.run(run())
    assert first is hanging is not ended


def test_the_rendered_text_is_kept_until_a_configuration_has_other_labels() -> None:
    texts = ["", "refresh: {min_age: 5s}", "labels: {tags: [team]}", "labels: {tags: [team]}\nrefresh: {min_age: 5s}"]
    with aws_environment("http://127.0.0.1:1"):
        configs = [parse_config(text, KINDS) for text in texts]
        exporter = new_exporter(configs[0], KINDS, new_log("error"), read=lambda: configs.pop(0))

    async def reload() -> list[Exposition]:
        expositions = []
        for _ in texts:
            await exporter.reload()
            expositions.append(exporter.runtime.exposition)
        return expositions

    with aws_environment("http://127.0.0.1:1"):
        first, same, new, same_new = asyncio.run(reload())
    assert first is same is not new
    assert new is same_new


def test_a_limited_number_of_probed_operations_is_kept() -> None:
    cells = configured_cells(
        parse_config('accounts: [{account_id: "111122223333"}]', KINDS), KINDS, lambda: "eu-west-1"
    )
    target, tables = partial(target_cell, cells, KINDS), {kind.name: table(kind, ()) for kind in KINDS}

    read: list[int] = []

    async def refuse(cell: Cell) -> ScopeApi:
        read.append(int(cell.watch.ids[0]))
        raise ApiError(Reason.CONNECTION)

    async def run(ids: Iterable[int]) -> None:
        prober = Prober(target, tables, refuse, Refresh(), ManualClock().clock(), new_log("error"))
        for id in ids:
            await prober.probe(target("iot_job", [str(id)], "", ""), 60.0)

    probed, kept = range(MAX_KEPT + 50), range(50, MAX_KEPT + 50)
    asyncio.run(run([*probed, *kept, 49]))
    assert read == [*probed, 49]


def test_estimates_of_removed_cells_are_removed() -> None:
    reading = Reading(Operation(id="1", status="s", progress=0.6), 60.0)
    estimates, keys = Estimates(), [CellKey("a", "eu-west-1", kind) for kind in ("x", "y")]
    for key in keys:
        for at in (0.0, 60.0):
            earlier = Reading(Operation(id="1", status="s", progress=at / 100), at)
            estimates.note(Snapshot(key, Scope("a", "", "eu-west-1"), (earlier,)))
    estimates.keep(keys[:1])
    assert estimates.history(keys[0], reading).estimate is not None
    assert estimates.history(keys[1], reading).estimate is None


def test_without_a_file_reading_again_returns_the_defaults_again() -> None:
    file = ConfigFile(None, KINDS)
    assert file.read().model_dump() == file.read().model_dump() == parse_config("", KINDS).model_dump()


def test_reading_a_file_again_creates_no_new_types(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    file, types = ConfigFile(path, KINDS), set[type]()
    for name in ("factory", "field"):
        path.write_text(f"accounts: [{{name: {name}, watch: [{{kind: iot_job, discover: true}}]}}]")
        (account,) = file.read().accounts
        types |= {type(section) for section in (account, *account.watch, account.watch[0].discover)}
    assert len(types) == 3


def test_an_empty_file_means_defaults_unless_it_had_content_before(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("\n")
    file = ConfigFile(path, KINDS)
    assert file.read().model_dump() == parse_config("", KINDS).model_dump()
    path.write_text("aws: {api_budget: 0.1}")
    file.read()
    for empty in (" \n", "# accounts: the rest follows\n", "---\n"):
        path.write_text(empty)
        with pytest.raises(ConfigError, match="the file is empty but had content before"):
            file.read()
