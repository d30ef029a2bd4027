"""A configuration in use: everything that is built from it, and what it takes over from the one before."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.app.enabled_regions import EnabledRegions
from exporter.app.organizations import Organizations
from exporter.aws.connection_settings import check_connection_settings
from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import STS, Models
from exporter.aws.organizations import CALLS as ORGANIZATION_CALLS
from exporter.aws.organizations import SERVICE as ORGANIZATIONS
from exporter.aws.regions import LIST_REGIONS
from exporter.aws.regions import SERVICE as ACCOUNT_MANAGEMENT
from exporter.aws.sdk_settings import check_endpoints
from exporter.collector.account_log import AccountLog
from exporter.collector.cache import CellCache
from exporter.collector.cells import (
    Cell,
    accounts_with_opt_in_regions,
    configured_cells,
    not_offered,
    scope_name,
    target_cell,
)
from exporter.collector.failure_reader import FailureReader
from exporter.collector.operation_reader import Connect
from exporter.collector.probe import Prober
from exporter.collector.scheduler import RefreshScheduler, hand_over
from exporter.collector.shards import items_of_shard
from exporter.collector.watched_accounts import NOTHING_FOUND, Found
from exporter.config.partitions import HOME_REGIONS, OPT_IN_PARTITION
from exporter.config.sections import Account, Config, Organization
from exporter.config.validation import run_both
from exporter.core.clock import Clock
from exporter.core.log import Log
from exporter.core.model import Scope, Shard, Snapshot
from exporter.core.store import Store
from exporter.kinds.kind import Kind
from exporter.metrics.eta import Estimates
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import Table, table
from exporter.metrics.self_metrics import (
    ApiMetrics,
    FamilyCollector,
    budget_families,
    cell_families,
    organization_families,
)
from exporter.metrics.summary import Overview

EMPTY_SHARD = "no account and Region belongs to this shard; reduce the number of shards"
NOT_OFFERED = "AWS does not offer the kind in the Region; remove one of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContext:
    """What stays the same when the configuration changes. ``registry`` has the counters since the start."""

    kinds: Sequence[Kind[Any]]
    shard: Shard
    clock: Clock
    log: Log
    registry: CollectorRegistry
    metrics: ApiMetrics
    estimates: Estimates
    organizations: Organizations
    regions: EnabledRegions
    account_log: AccountLog
    cache: CellCache = CellCache()

    def note(self, snapshot: Snapshot) -> None:
        """Note what a refresh read, in everything that outlives a configuration."""
        self.estimates.note(snapshot)
        self.metrics.note(snapshot)
        self.account_log.note(snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One configuration and what is built from it. A response uses one runtime, so it does not mix configurations.

    ``region_accounts`` are the accounts of which AWS knows which Regions are watched.
    """

    config: Config
    cells: tuple[Cell, ...]
    region_accounts: tuple[Account, ...]
    gateway: Gateway
    store: Store
    scheduler: RefreshScheduler
    exposition: Exposition
    registry: CollectorRegistry
    overview: Overview
    prober: Prober
    failure_reader: FailureReader | None

    def stop_requested_readings(self) -> None:
        """Cancel what is read on demand, outside all cells. Its clients get a status, and can try again."""
        self.prober.stop()
        if self.failure_reader:
            self.failure_reader.stop()


def first_runtime(
    process: ProcessContext, config: Config, choose: Callable[[tuple[Cell, ...]], tuple[Cell, ...]]
) -> Runtime:
    """Return the runtime that a process starts with, for the cells that ``choose`` returns. Raises ConfigError."""
    gateway = _new_gateway(process, config)
    cells = choose(_cells(process, config, gateway))
    if not all(account.regions for account in config.accounts):
        region = gateway.default_region()
        process.log.info("default Region", region=region.name, source=region.source)
    return _runtime(process, config, cells, gateway, None)


async def read_organizations(process: ProcessContext, config: Config) -> None:
    """Read the organizations for the first runtime, whose event loop can be another one. Raises UnreachableError."""
    await process.organizations.read_once(config, _new_gateway(process, config))


async def read_regions(process: ProcessContext, config: Config, is_needed: Callable[[Account], bool]) -> None:
    """Read which Regions the needed accounts have enabled, for the first runtime. Raises ConfigError.

    If an account cannot be read, the Regions that are enabled by default are used, as in a running exporter.
    """
    gateway = _new_gateway(process, config)
    accounts = region_accounts(config, gateway, _found(process, config), process.shard)
    needed = tuple(filter(is_needed, accounts))
    async for _ in process.regions.read(needed, config.refresh.accounts_every, gateway):
        # The first runtime uses what is known after all readings.
        continue


def _new_gateway(process: ProcessContext, config: Config) -> Gateway:
    calls = (call for kind in process.kinds for call in kind.every_call)
    models = Models(only=(*calls, *ORGANIZATION_CALLS, LIST_REGIONS))
    return Gateway(models, config.aws, process.metrics, process.clock, config.refresh.min_age)


def next_runtime(process: ProcessContext, before: Runtime, config: Config) -> Runtime:
    """Return the runtime that replaces another one, and stop that one. Raises ConfigError before anything changes.

    A cell that is read as before keeps its data and its refresh. Nothing is awaited, so no request sees both runtimes.
    """
    cells = _cells(process, config, before.gateway)
    keys = {cell.key for cell in cells}
    process.estimates.keep(keys)
    process.account_log.keep(keys)
    process.organizations.keep(config)
    # The cells have the accounts with their Regions, which the credentials depend on.
    accounts = {cell.account.name: cell.account for cell in cells}
    gateway = before.gateway.with_settings(config.aws, accounts.values(), config.refresh.min_age)
    return _runtime(process, config, cells, gateway, before)


def _cells(process: ProcessContext, config: Config, gateway: Gateway) -> tuple[Cell, ...]:
    cells = watched_cells(config, process.kinds, gateway, _found(process, config))
    return items_of_shard(cells, scope_name, process.shard)


def _found(process: ProcessContext, config: Config) -> Found:
    return Found(process.organizations.found(config), process.regions.found())


def watched_cells(
    config: Config, kinds: Sequence[Kind[Any]], gateway: Gateway, found: Found = NOTHING_FOUND
) -> tuple[Cell, ...]:
    """Return the cells of a configuration. Raises ConfigError, also for the settings of the AWS SDKs."""
    services = {STS, *(call.service for kind in kinds for call in kind.calls)}
    services |= {ORGANIZATIONS} if config.organizations else set()
    services |= {ACCOUNT_MANAGEMENT} if finds_regions(config) else set()
    cells, _ = run_both(
        lambda: configured_cells(
            config, kinds, lambda: gateway.default_region().name, gateway.is_offered, gateway.models.regions, found
        ),
        lambda: run_both(lambda: check_endpoints(services), lambda: check_connection_settings(services)),
    )
    return cells


def finds_regions(config: Config) -> bool:
    """Return whether an account or an organization has ``regions: all``."""
    entries: Iterable[Account | Organization] = (*config.accounts, *config.organizations)
    return any(entry.has_all_regions for entry in entries)


def region_accounts(config: Config, gateway: Gateway, found: Found, shard: Shard = Shard()) -> tuple[Account, ...]:
    """Return the accounts of a shard of which AWS knows which Regions are watched. Raises ConfigError."""
    if not finds_regions(config):
        return ()
    default_region, regions_of = lambda: gateway.default_region().name, gateway.models.regions
    return accounts_with_opt_in_regions(config, default_region, regions_of, found, shard)


def _runtime(
    process: ProcessContext, config: Config, cells: tuple[Cell, ...], gateway: Gateway, before: Runtime | None
) -> Runtime:
    async def connect(cell: Cell) -> ScopeApi:
        return await gateway.connect(cell.account, cell.region, cell.kind.name)

    _log_empty_shard(process, config, cells)
    _log_not_offered(process.log, cells, gateway, before)
    accounts = region_accounts(config, gateway, _found(process, config), process.shard)
    process.metrics.set_found_scopes(_found_scopes(cells, accounts))
    if before:
        before.stop_requested_readings()
    tables = {kind.name: table(kind, config.labels.tags) for kind in process.kinds}
    store = Store((), process.note)
    return Runtime(
        config=config,
        cells=cells,
        region_accounts=accounts,
        gateway=gateway,
        store=store,
        scheduler=_scheduler(process, config, cells, store, connect, before),
        exposition=_exposition(tables, config, before),
        registry=_registry(process, config, store, gateway),
        overview=Overview(process.kinds, store, process.estimates, process.clock.now, gateway.budgets.ratio),
        prober=Prober(_target(process, cells), tables, connect, config.refresh, process.clock, process.log),
        failure_reader=_failure_reader(process, config, cells, gateway, connect) if config.failures else None,
    )


def _log_empty_shard(process: ProcessContext, config: Config, cells: Sequence[Cell]) -> None:
    # The accounts of an organization are not known at the start.
    if not cells and process.shard.total > 1 and process.organizations.was_read(config):
        process.log.warning(EMPTY_SHARD, shard=process.shard.ordinal, shards=process.shard.total)


def _scheduler(
    process: ProcessContext,
    config: Config,
    cells: tuple[Cell, ...],
    store: Store,
    connect: Connect,
    before: Runtime | None,
) -> RefreshScheduler:
    """Return the scheduler of the cells. It takes over the refreshes of unchanged cells, and ends the one before."""
    scheduler, settings = before.scheduler if before else None, config.refresh
    refreshers = hand_over(scheduler, cells, store, settings, process.clock, process.log, process.cache)
    return RefreshScheduler(refreshers, connect, store, settings, process.log, process.clock)


def _failure_reader(
    process: ProcessContext, config: Config, cells: tuple[Cell, ...], gateway: Gateway, connect: Connect
) -> FailureReader:
    settings, action = config.refresh, gateway.models.iam_action
    target = _target(process, cells)
    return FailureReader(target, connect, action, settings.min_age, settings.deadline, process.clock)


def _target(process: ProcessContext, cells: tuple[Cell, ...]) -> Callable[[str, Sequence[str], str, str], Cell]:
    """Return the function from a kind, ids, a Region and an account to a cell."""
    return partial(target_cell, cells, process.kinds)


def _log_not_offered(log: Log, cells: Iterable[Cell], gateway: Gateway, before: Runtime | None) -> None:
    """Log the kinds that AWS does not offer in a Region, with the accounts that watch them.

    An organization can have hundreds of such accounts, and its list is read every hour. So a kind in a Region has one
    line, and no further one before another account watches it.
    """
    known = not_offered(before.cells, gateway.is_offered) if before else {}
    for (kind, region), accounts in not_offered(cells, gateway.is_offered).items():
        if not set(accounts) <= set(known.get((kind, region), ())):
            watching = {"account": accounts[0]} if len(accounts) == 1 else {"accounts": len(accounts)}
            log.warning(NOT_OFFERED, **watching, region=region, kind=kind)


def _found_scopes(cells: Iterable[Cell], accounts: Iterable[Account]) -> Iterable[Scope]:
    yield from (cell.configured_scope for cell in cells if cell.found)
    # The calls that read the Regions of an account are in a Region that it need not watch.
    yield from (Scope(account.name, account.known_id, HOME_REGIONS[OPT_IN_PARTITION]) for account in accounts)


def _exposition(tables: Mapping[str, Table], config: Config, before: Runtime | None) -> Exposition:
    # While the labels stay the same, so does the text. A reload then delays no scrape by rendering it again.
    return before.exposition if before and before.config.labels == config.labels else Exposition(tables)


def _registry(process: ProcessContext, config: Config, store: Store, gateway: Gateway) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(process.registry)
    budgets = gateway.budgets
    registry.register(FamilyCollector(lambda: budget_families(store, budgets.in_use(), budgets.ratio)))
    registry.register(FamilyCollector(lambda: cell_families(store)))
    registry.register(FamilyCollector(lambda: organization_families(process.organizations.states(config))))
    return registry
