"""What a configuration hands over to the next one: quotas that stay spent, and nothing that grows without limit."""

import asyncio
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
from exporter.collector.cells import Cell, configured_cells, target_cell
from exporter.collector.probe import MOST_KEPT, Prober
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
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment


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
    assert budgets.ratios() == {("111122223333", "eu-west-1", "iot", DESCRIBE.name): pytest.approx(ratio / 2)}
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
    assert first.workers is same_new.workers


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

    async def refuse(cell: Cell) -> ScopeApi:
        raise ApiError(Reason.CONNECTION)

    async def run() -> Prober:
        prober = Prober(target, tables, refuse, Refresh(), ManualClock().clock(), new_log("error"))
        for number in range(MOST_KEPT + 50):
            await prober.probe(target("iot_job", [str(number)], "", ""), 60.0)
        return prober

    kept = asyncio.run(run()).kept
    assert len(kept) == MOST_KEPT
    assert {id for _, id in kept} == {str(number) for number in range(50, MOST_KEPT + 50)}


def test_estimates_of_removed_cells_are_removed() -> None:
    estimates, keys = Estimates(), [CellKey("a", "eu-west-1", kind) for kind in ("x", "y")]
    for key in keys:
        for at in (0.0, 60.0):
            reading = Reading(Operation(id="1", status="s", progress=at / 100), at)
            estimates.note(Snapshot(key, Scope("a", "", "eu-west-1"), (reading,)))
    estimates.keep(keys[:1])
    assert estimates.of(keys[0], "1") is not None
    assert estimates.of(keys[1], "1") is None


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
