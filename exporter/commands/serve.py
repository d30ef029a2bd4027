"""``serve``: the exporter itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from exporter import __version__
from exporter.config import read_config
from exporter.kinds import KINDS
from exporter.log import Log, pass_on_libraries
from exporter.model import Shard
from exporter.service import new_service
from exporter.web.server import Address, Site, listen, serve


def run(config_file: Path | None, address: Address, metrics_path: str, shard: Shard, log: Log) -> int:
    """Serve until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    pass_on_libraries(log)
    service = new_service(read_config(config_file, KINDS), KINDS, log, metrics_path, shard)
    site = Site(service.app, listen(address))
    log.info("listening", version=__version__, url=site.url + metrics_path, cells=len(service.cells))
    asyncio.run(serve([site], service.refresher.stop))
    log.info("stopped")
    return 0
