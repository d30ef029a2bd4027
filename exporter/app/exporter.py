"""The exporter: an ASGI application that serves the current configuration, and replaces it on a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import disable_created_metrics

from exporter.app.enabled_regions import EnabledRegions
from exporter.app.organizations import Organizations
from exporter.app.runtime import ProcessContext, Runtime, first_runtime, next_runtime
from exporter.collector.account_log import AccountLog
from exporter.collector.cache import CellCache
from exporter.collector.scheduler import RefreshScheduler
from exporter.config.loader import masked_yaml
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.errors import ConfigError
from exporter.core.log import Log
from exporter.core.model import Shard, Snapshot
from exporter.core.thread import in_thread
from exporter.kinds.kind import Kind
from exporter.metrics.eta import Estimates
from exporter.metrics.self_metrics import ApiMetrics, ConfigMetrics, FamilyCollector, new_registry, state_families
from exporter.web.api.routes import api_routes
from exporter.web.context import Status
from exporter.web.external_address import ExternalAddress
from exporter.web.lifecycle import lifecycle_routes
from exporter.web.metrics import Metrics
from exporter.web.probe import probe_routes
from exporter.web.routes import application, check_metrics_path
from exporter.web.ui.pages import page_routes

if TYPE_CHECKING:
    from exporter.state.state_file import StateFile

# prometheus_client does not annotate this function.
_disable_created_series: Callable[[], None] = disable_created_metrics


class Exporter:
    """A running exporter. ``runtime`` belongs to the current configuration; a reload replaces it as a whole."""

    def __init__(
        self,
        process: ProcessContext,
        runtime: Runtime,
        read: Callable[[], Config],
        metrics_path: str,
        address: ExternalAddress = ExternalAddress(),
    ) -> None:
        self.runtime = runtime
        self._process = process
        self._read = read
        self._reloading = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._reading_regions: asyncio.Task[None] | None = None
        self._reload_tasks: set[asyncio.Task[None]] = set()
        self._reload_metrics = ConfigMetrics(process.registry)
        self._reload_metrics.succeed(process.clock.now())
        status = Status(
            kinds=process.kinds,
            overview=lambda: self.runtime.overview,
            refresh=self.refresh_missing,
            start_due=self.start_due,
            now=process.clock.now,
            links=lambda: self.runtime.config.links.model_dump(),
            failures=lambda: self.runtime.failure_reader,
        )
        routes = [
            *lifecycle_routes(self.reload, lambda: masked_yaml(self.runtime.config)),
            *probe_routes(lambda: self.runtime.prober),
            *api_routes(status, address.server),
            *page_routes(status, metrics_path),
        ]
        check_metrics_path(metrics_path, routes)
        self.app = application(self.refresh, metrics_path, routes, address)

    async def refresh(self, max_wait: float | None = None) -> Metrics:
        """Refresh what is due, for at most ``max_wait`` seconds, and return what is known then.

        The default is the configured deadline.
        """
        runtime = await self._refresh(RefreshScheduler.refresh, max_wait)
        return Metrics(runtime.store, runtime.exposition, runtime.registry)

    async def refresh_missing(self, is_needed: Callable[[Snapshot], bool]) -> None:
        """If no needed cell has fresh data, refresh what is due, and wait, at most for the configured deadline."""
        await self._refresh(lambda scheduler, wait: scheduler.refresh_missing(is_needed, wait), None)

    async def start_due(self) -> None:
        """Start the refreshes that are due."""
        self.runtime.scheduler.start_due()

    async def _refresh(
        self, refresh: Callable[[RefreshScheduler, float], Awaitable[None]], max_wait: float | None
    ) -> Runtime:
        """Refresh the current runtime and return it. After a reload, the rest of the time is used for the new one."""
        now = self._process.clock.monotonic
        until = now() + (self.runtime.config.refresh.deadline if max_wait is None else max_wait)
        while True:
            runtime = self.runtime
            reading = self._read_organizations_if_due()
            self._read_regions_if_due()
            await refresh(runtime.scheduler, max(0.0, until - now()))
            if reading and not self._process.organizations.was_read(runtime.config):
                # The first scrape shows what can be found in its time. Later ones do not wait for a list.
                await asyncio.wait({reading}, timeout=max(0.0, until - now()))
            if runtime is self.runtime:
                return runtime

    def _read_organizations_if_due(self) -> asyncio.Task[None] | None:
        """Return the reading of the organizations that is under way. Start it if it is due."""
        if self._reading and self._reading.done():
            self._reading = None
        if self._reading is None and self._process.organizations.is_due(self.runtime.config):
            self._reading = asyncio.get_running_loop().create_task(self._read_organizations())
        return self._reading

    async def _read_organizations(self) -> None:
        """Read the organizations, and replace the runtime if their accounts changed."""
        runtime = self.runtime
        if await self._process.organizations.read(runtime.config, runtime.gateway):
            await self._use_found("accounts not changed")

    def _read_regions_if_due(self) -> None:
        """Start to read the enabled Regions of accounts. No scrape waits for them."""
        if self._reading_regions and self._reading_regions.done():
            self._reading_regions = None
        if self._reading_regions is None and self._process.regions.is_due(self.runtime.region_accounts):
            self._reading_regions = asyncio.get_running_loop().create_task(self._read_regions())

    async def _read_regions(self) -> None:
        """Read enabled Regions, and replace the runtime if they changed."""
        runtime = self.runtime
        every = runtime.config.refresh.accounts_every
        async for _ in self._process.regions.read(runtime.region_accounts, every, runtime.gateway):
            await self._use_found("Regions not changed")

    async def _use_found(self, failure: str) -> None:
        """Replace the runtime by that of the accounts and Regions which are known now. Log a failure."""
        async with self._reloading:
            try:
                self.runtime = next_runtime(self._process, self.runtime, self.runtime.config)
            except ConfigError as error:
                self._process.log.error(failure, problems="; ".join(error.lines))

    async def reload(self) -> None:
        """Read the configuration and replace the runtime. Concurrent reloads run one after the other.

        Raises ConfigError for an invalid configuration; the current one then stays in use.
        """
        async with self._reloading:
            try:
                config = await in_thread(self._read)
                self._process.organizations.expire()
                self._process.regions.expire()
                self.runtime = next_runtime(self._process, self.runtime, config)
            except ConfigError as error:
                self._reload_metrics.fail()
                self._process.log.error("configuration not reloaded", problems="; ".join(error.lines))
                raise
            self._reload_metrics.succeed(self._process.clock.now())
            self._process.log.info("configuration reloaded", cells=len(self.runtime.cells))

    def reload_soon(self) -> None:
        """Start a reload on a signal. The log and the metrics report its result."""
        task = asyncio.get_running_loop().create_task(self._reload_quietly())
        self._reload_tasks.add(task)
        task.add_done_callback(self._reload_tasks.discard)

    async def _reload_quietly(self) -> None:
        with suppress(ConfigError):
            await self.reload()

    def stop(self) -> None:
        """Start no more refreshes, and cancel those under way."""
        for reading in filter(None, (self._reading, self._reading_regions)):
            reading.cancel()
        self.runtime.scheduler.stop()
        self.runtime.stop_requested_readings()


def new_exporter(
    config: Config,
    kinds: Sequence[Kind[Any]],
    log: Log,
    metrics_path: str = "/metrics",
    shard: Shard = Shard(),
    clock: Clock = Clock(),
    read: Callable[[], Config] | None = None,
    state_file: StateFile | None = None,
    address: ExternalAddress = ExternalAddress(),
) -> Exporter:
    """Return the exporter for a configuration. Raises ConfigError.

    A reload calls ``read``; without it, a reload uses the same configuration. ``state_file`` keeps final operations
    across restarts. AWS is not called before the first scrape.
    """
    process = new_process_context(kinds, log, shard, clock, state_file)
    runtime = first_runtime(process, config, lambda cells: cells)
    return Exporter(process, runtime, read or (lambda: config), metrics_path, address)


def new_process_context(
    kinds: Sequence[Kind[Any]], log: Log, shard: Shard, clock: Clock, state_file: StateFile | None = None
) -> ProcessContext:
    """Return what stays the same when the configuration changes."""
    _disable_created_series()
    registry = new_registry(shard)
    cache = CellCache()
    if state_file:
        # Without a state file, this module and SQLite are not loaded.
        from exporter.state.cell_cache import FileCellCache

        registry.register(FamilyCollector(lambda: state_families(state_file.is_usable, state_file.restored)))
        cache = FileCellCache(state_file)
    return ProcessContext(
        kinds=kinds,
        shard=shard,
        clock=clock,
        log=log,
        registry=registry,
        metrics=ApiMetrics(registry),
        estimates=Estimates(),
        organizations=Organizations(clock, log, shard.total),
        regions=EnabledRegions(clock, log),
        account_log=AccountLog(log),
        cache=cache,
    )
