"""The exporter put together: from a configuration to an application that answers /metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import disable_created_metrics
from starlette.applications import Starlette

from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import Models
from exporter.cells import Cell, cells_of, scope_name
from exporter.clock import Clock
from exporter.config import Config
from exporter.estimate import Estimates
from exporter.exposition import Exposition
from exporter.families import table
from exporter.kind import Kind
from exporter.log import Log
from exporter.model import Shard
from exporter.overview import Overview
from exporter.refresh import Refresher
from exporter.selfmetrics import ApiMetrics, CellCollector, expose_config_load, new_registry
from exporter.shards import of_shard
from exporter.store import Store
from exporter.web.api import api_routes
from exporter.web.app import Metrics, application
from exporter.web.pages import page_routes
from exporter.web.status import Status

_without_created_series: Callable[[], None] = disable_created_metrics


@dataclass(frozen=True, slots=True)
class Service:
    """A running exporter: its application, and what must stop with it."""

    app: Starlette
    refresher: Refresher
    cells: tuple[Cell, ...]
    overview: Overview


def new_service(
    config: Config,
    kinds: Sequence[Kind[Any]],
    log: Log,
    metrics_path: str = "/metrics",
    shard: Shard = Shard(),
    clock: Clock = Clock(),
) -> Service:
    """Return the exporter for a configuration; nothing is asked of AWS before the first scrape. Raises ConfigError."""
    _without_created_series()
    registry = new_registry(shard)
    models = Models(only=(call for kind in kinds for call in kind.calls))
    api_metrics = ApiMetrics(registry)
    gateway = Gateway(models, config.aws, api_metrics, clock, config.refresh.min_age)
    cells = of_shard(cells_of(config, kinds, gateway.default_region), scope_name, shard)
    estimates = Estimates()
    store = Store((cell.untouched() for cell in cells), estimates.note)
    registry.register(CellCollector(store))
    expose_config_load(registry, clock.now())

    async def connect(cell: Cell) -> ScopeApi:
        return await gateway.connect(cell.account, cell.region, cell.kind.name)

    refresher = Refresher(cells, connect, store, config.refresh, clock, log)
    exposition = Exposition({kind.name: table(kind, config.labels.tags) for kind in kinds})
    metrics = Metrics(store, exposition, registry, refresher.refresh)
    overview = Overview(kinds, store, estimates, api_metrics.budgets)
    status = Status(kinds, overview, refresher.refresh, clock.now)
    routes = [*api_routes(status), *page_routes(status, metrics_path)]
    return Service(application(metrics, metrics_path, routes), refresher, cells, overview)
