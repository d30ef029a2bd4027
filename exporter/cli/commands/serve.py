"""``serve``: the exporter itself."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.app.exporter import Service, new_service
from exporter.config.loader import ConfigFile
from exporter.config.validation import both
from exporter.core.clock import Clock
from exporter.core.log import Log, pass_on_libraries
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS
from exporter.web.listener.server import Address, Site, hear, listen_all, serve
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import Readiness, secured

if TYPE_CHECKING:
    from exporter.state.state_file import Archive

TURN_SECONDS = 0.0005
"""How long a thread that computes keeps the others waiting: while clients are made, health checks come first."""


@dataclass(frozen=True, slots=True)
class Files:
    """What is read: the configuration and that of the web, and where ended operations are kept; None for none."""

    config: Path | None
    web: Path | None
    state: Path | None


def run(files: Files, addresses: Sequence[Address], metrics_path: str, shard: Shard, log: Log) -> int:
    """Serve until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    _allow_files()
    pass_on_libraries(log)
    sys.setswitchinterval(TURN_SECONDS)
    config = ConfigFile(files.config, KINDS)
    archive = _archive(files.state, log) if files.state else None
    service, live = both(
        lambda: new_service(config.read(), KINDS, log, metrics_path, shard, read=config.read, archive=archive),
        lambda: LiveWebConfig(files.web, log),
    )
    readiness = Readiness()
    app = secured(service.app, live, readiness)
    sites = [Site(app, listener, live.tls) for listener in listen_all(addresses)]
    for site in sites:
        log.info("listening", version=__version__, url=site.url + metrics_path, cells=len(service.current.cells))
    with _at_work(archive):
        asyncio.run(_serve(sites, service, readiness))
    log.info("stopped")
    return 0


def _archive(file: Path, log: Log) -> Archive:
    from exporter.state.state_file import Archive

    return Archive(file, KINDS, Clock(), log)


@contextmanager
def _at_work(archive: Archive | None) -> Iterator[None]:
    """Let an archive work, if there is one, and write what is left in the end."""
    if archive:
        archive.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is read any more, and what is written must be whole
        if archive:
            archive.close()


def _allow_files() -> None:
    """Take all the file descriptors that the process may have.

    Connections to AWS stay open, some 20 for each scope at the most, and 1,024 is the usual limit for programs that do
    not ask for more.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS says that there is no limit, and refuses just that
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(sites: Sequence[Site], service: Service, readiness: Readiness) -> None:
    def stop() -> None:
        readiness.end()
        service.stop()

    hear(signal.SIGHUP, service.reload_soon)
    await serve(sites, stop)
