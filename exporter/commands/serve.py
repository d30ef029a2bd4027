"""``serve``: the exporter itself."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from exporter import __version__
from exporter.config import ConfigFile
from exporter.kinds import KINDS
from exporter.log import Log, pass_on_libraries
from exporter.model import Shard
from exporter.service import Service, new_service
from exporter.web.server import Address, Site, listen, serve


def run(config_file: Path | None, address: Address, metrics_path: str, shard: Shard, log: Log) -> int:
    """Serve until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    # Until somebody listens to it, SIGHUP must not end the process; there is nothing to read again either.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    pass_on_libraries(log)
    file = ConfigFile(config_file, KINDS)
    service = new_service(file.read(), KINDS, log, metrics_path, shard, read=file.read)
    site = Site(service.app, listen(address))
    log.info("listening", version=__version__, url=site.url + metrics_path, cells=len(service.current.cells))
    asyncio.run(_serve(site, service))
    log.info("stopped")
    return 0


async def _serve(site: Site, service: Service) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reload_soon)
    await serve([site], service.stop)
