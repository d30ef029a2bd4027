"""A configuration at work: everything that follows from it, and what it takes over from the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import Models
from exporter.collector.cache import CellCache
from exporter.collector.cells import Cell, cells_of, scope_name
from exporter.collector.probe import Prober
from exporter.collector.scheduler import RefreshScheduler
from exporter.collector.shards import of_shard
from exporter.collector.targets import TargetResolver
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.log import Log
from exporter.core.model import Shard
from exporter.core.store import Store
from exporter.kinds.kind import Kind
from exporter.metrics.eta import Estimates
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import Table, table
from exporter.metrics.self_metrics import ApiMetrics, BudgetCollector, CellCollector, JoinedCollector
from exporter.metrics.summary import Overview


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """What stays the same whatever the configuration says.

    ``registry`` holds what is counted since the start, ``saved`` makes that of each cell which outlives the process.
    """

    kinds: Sequence[Kind[Any]]
    shard: Shard
    clock: Clock
    log: Log
    registry: CollectorRegistry
    metrics: ApiMetrics
    estimates: Estimates
    saved: CellCache = CellCache()


@dataclass(frozen=True, slots=True)
class Runtime:
    """One configuration and its parts. Whoever answers takes one generation, and so never mixes two."""

    config: Config
    cells: tuple[Cell, ...]
    gateway: Gateway
    store: Store
    refresher: RefreshScheduler
    exposition: Exposition
    registry: CollectorRegistry
    overview: Overview
    prober: Prober


def first(process: ProcessContext, config: Config, choose: Callable[[tuple[Cell, ...]], tuple[Cell, ...]]) -> Runtime:
    """Return the generation that a process starts with, of the cells that are chosen. Raises ConfigError."""
    models = Models(only=(call for kind in process.kinds for call in kind.calls))
    gateway = Gateway(models, config.aws, process.metrics, process.clock, config.refresh.min_age)
    return _assembled(process, config, choose(_cells(process, config, gateway)), gateway, None)


def following(process: ProcessContext, before: Runtime, config: Config) -> Runtime:
    """Return the generation after another one, which ends with it. Raises ConfigError, and then nothing has changed.

    A cell that is read as before keeps its data and its refresh. Nothing waits in here: no event comes in between.
    """
    cells = _cells(process, config, before.gateway)
    process.estimates.keep({cell.key for cell in cells})
    gateway = before.gateway.renewed(config.aws, config.accounts, config.refresh.min_age)
    return _assembled(process, config, cells, gateway, before)


def _cells(process: ProcessContext, config: Config, gateway: Gateway) -> tuple[Cell, ...]:
    return of_shard(cells_of(config, process.kinds, gateway.default_region), scope_name, process.shard)


def _assembled(
    process: ProcessContext, config: Config, cells: tuple[Cell, ...], gateway: Gateway, before: Runtime | None
) -> Runtime:
    async def connect(cell: Cell) -> ScopeApi:
        return await gateway.connect(cell.account, cell.region, cell.kind.name)

    tables = {kind.name: table(kind, config.labels.tags) for kind in process.kinds}
    store = Store((), process.estimates.note)
    return Runtime(
        config,
        cells,
        gateway,
        store,
        RefreshScheduler(
            cells,
            connect,
            store,
            config.refresh,
            process.clock,
            process.log,
            before.refresher if before else None,
            process.saved,
        ),
        _exposition(tables, config, before),
        _registry(process, store, gateway),
        Overview(process.kinds, store, process.estimates, gateway.budgets.ratios),
        Prober(TargetResolver(cells, process.kinds), tables, connect, config.refresh, process.clock, process.log),
    )


def _exposition(tables: Mapping[str, Table], config: Config, before: Runtime | None) -> Exposition:
    """Return what renders the operations: the one before where its rows are the same, since it has their text."""
    return before.exposition if before and before.config.labels == config.labels else Exposition(tables)


def _registry(process: ProcessContext, store: Store, gateway: Gateway) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(JoinedCollector(process.registry))
    registry.register(BudgetCollector(store, gateway.budgets.ratios))
    registry.register(CellCollector(store))
    return registry
