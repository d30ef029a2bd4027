"""``serve``: the exporter itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from exporter import __version__
from exporter.config import read_config
from exporter.kinds import KINDS
from exporter.log import Log, pass_on_libraries
from exporter.model import Shard
from exporter.problems import both
from exporter.service import new_service
from exporter.web.live_config import LiveWebConfig
from exporter.web.security import Readiness, secured
from exporter.web.server import Address, Site, listen_all, serve


def run(
    config_file: Path | None,
    addresses: Sequence[Address],
    web_config_file: Path | None,
    metrics_path: str,
    shard: Shard,
    log: Log,
) -> int:
    """Serve until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    pass_on_libraries(log)
    service, live = both(
        lambda: new_service(read_config(config_file, KINDS), KINDS, log, metrics_path, shard),
        lambda: LiveWebConfig(web_config_file, log),
    )
    readiness = Readiness()
    app = secured(service.app, live, readiness)
    sites = [Site(app, listener, live.tls) for listener in listen_all(addresses)]
    for site in sites:
        log.info("listening", version=__version__, url=site.url + metrics_path, cells=len(service.cells))

    def stop() -> None:
        readiness.end()
        service.refresher.stop()

    asyncio.run(serve(sites, stop))
    log.info("stopped")
    return 0
