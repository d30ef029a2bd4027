"""The exporter put together: an application that answers for the configuration that holds, until another one does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import disable_created_metrics

from exporter.app.runtime import ProcessContext, Runtime, first, following
from exporter.collector.cache import CellCache
from exporter.config.loader import masked_yaml
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.errors import ConfigError
from exporter.core.log import Log
from exporter.core.model import Shard
from exporter.core.thread import in_thread
from exporter.kinds.kind import Kind
from exporter.metrics.eta import Estimates
from exporter.metrics.self_metrics import ApiMetrics, ConfigMetrics, StateCollector, new_registry
from exporter.web.api.routes import api_routes
from exporter.web.context import Status
from exporter.web.lifecycle import lifecycle_routes
from exporter.web.metrics import Metrics
from exporter.web.probe import probe_routes
from exporter.web.routes import application
from exporter.web.ui.pages import page_routes

if TYPE_CHECKING:
    from exporter.state.state_file import Archive

_without_created_series: Callable[[], None] = disable_created_metrics


class Service:
    """A running exporter. ``current`` is the generation that holds; a reload replaces it as a whole."""

    def __init__(
        self, process: ProcessContext, generation: Runtime, read: Callable[[], Config], metrics_path: str
    ) -> None:
        self._process = process
        self._read = read
        self._reloading = asyncio.Lock()
        self._signalled: set[asyncio.Task[None]] = set()
        self._loads = ConfigMetrics(process.registry)
        self._loads.succeed(process.clock.now())
        self.current = generation
        status = Status(process.kinds, lambda: self.current.overview, self.refreshed, process.clock.now)
        routes = [
            *lifecycle_routes(self.reload, lambda: masked_yaml(self.current.config)),
            *probe_routes(lambda: self.current.prober),
            *api_routes(status),
            *page_routes(status, metrics_path),
        ]
        self.app = application(self.refreshed, metrics_path, routes)

    async def refreshed(self, patience: float | None = None) -> Metrics:
        """Refresh what is due, for ``patience`` seconds at the most, and return what is known then.

        Without it the configured deadline holds. When a reload comes in between, the rest of the time is for what it
        brought.
        """
        now = self._process.clock.monotonic
        until = now() + (self.current.config.refresh.deadline if patience is None else patience)
        while True:
            generation = self.current
            await generation.refresher.refresh(max(0.0, until - now()))
            if generation is self.current:
                return Metrics(generation.store, generation.exposition, generation.registry)

    async def reload(self) -> None:
        """Read the configuration again and let it hold, one reload after the other.

        Raises ConfigError, and then the old one goes on to hold.
        """
        async with self._reloading:
            try:
                config = await in_thread(self._read)
                self.current = following(self._process, self.current, config)
            except ConfigError as error:
                self._loads.fail()
                self._process.log.error("configuration not reloaded", problems="; ".join(error.problems))
                raise
            self._loads.succeed(self._process.clock.now())
            self._process.log.info("configuration reloaded", cells=len(self.current.cells))

    def reload_soon(self) -> None:
        """Reload because of a signal: nobody waits for the outcome, the log and the metrics tell it."""
        task = asyncio.get_running_loop().create_task(self._reload_quietly())
        self._signalled.add(task)
        task.add_done_callback(self._signalled.discard)

    async def _reload_quietly(self) -> None:
        with suppress(ConfigError):
            await self.reload()

    def stop(self) -> None:
        """Start nothing more, and end what is under way."""
        self.current.refresher.stop()


def new_service(
    config: Config,
    kinds: Sequence[Kind[Any]],
    log: Log,
    metrics_path: str = "/metrics",
    shard: Shard = Shard(),
    clock: Clock = Clock(),
    read: Callable[[], Config] | None = None,
    archive: Archive | None = None,
) -> Service:
    """Return the exporter for a configuration, which ``read`` reads again; without it a reload finds the same.

    ``archive`` keeps what has ended beyond the process; without one nothing is kept.
    Nothing is asked of AWS before the first scrape. Raises ConfigError.
    """
    process = new_process(kinds, log, shard, clock, archive)
    return Service(process, first(process, config, lambda cells: cells), read or (lambda: config), metrics_path)


def new_process(
    kinds: Sequence[Kind[Any]], log: Log, shard: Shard, clock: Clock, archive: Archive | None = None
) -> ProcessContext:
    """Return what a process has whatever its configuration says."""
    _without_created_series()
    registry = new_registry(shard)
    if archive:
        registry.register(StateCollector(lambda: archive.is_usable, lambda: archive.restored))
    saved = _in_file(archive) if archive else CellCache()
    return ProcessContext(kinds, shard, clock, log, registry, ApiMetrics(registry), Estimates(), saved)


def _in_file(archive: Archive) -> CellCache:
    from exporter.state.cell_cache import FileCellCache

    return FileCellCache(archive)
