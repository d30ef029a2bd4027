"""``serve`` runs the exporter."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.app.exporter import Exporter, new_exporter
from exporter.cli import flags
from exporter.cli.alerts_file import add_alerts_file, with_alerts_file
from exporter.cli.parser import CommandParser
from exporter.collector.shards import MOST, process_shard
from exporter.config.loader import ConfigFile
from exporter.config.validation import run_both
from exporter.core.clock import Clock
from exporter.core.log import Log, log_library_warnings, new_log
from exporter.kinds.registry import KINDS
from exporter.web.external_address import external_address
from exporter.web.listener.server import Address, ServedApp, handle_signal, listen_all, parse_address, serve
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import protected_app

if TYPE_CHECKING:
    from exporter.state.state_file import StateFile

# How long one thread may keep the interpreter. With Python's default of 5 ms, the threads that create AWS clients
# delay the responses to health checks.
SWITCH_INTERVAL_SECONDS = 0.0005
# By default, the garbage collector looks at every object after few allocations. With tens of thousands of cells, this
# takes seconds each time, and nothing else runs. Nearly all garbage is freed without the collector.
GARBAGE_COLLECTION = (25_000, 20, 100)


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``serve``."""
    flags.add_config_file(parser)
    flags.add_listen_address(parser)
    flags.add_web_config_file(parser)
    parser.add_value("--web.telemetry-path", flags.url_path, "PATH", "Path of the metrics.", "/metrics")
    flags.add_external_address(parser)
    flags.add_log_flags(parser)
    help = "Number of this shard, from 0; SHARD_ORDINAL or the end of the host name if omitted."
    parser.add_value("--shard.ordinal", flags.whole_number(0, MOST - 1), "N", help)
    help = "Number of shards; SHARD_TOTAL or 1 if omitted."
    parser.add_value("--shard.total", flags.whole_number(1, MOST), "N", help)
    help = "Persistent cache of finished operations, which saves calls after a restart; no cache if omitted."
    parser.add_value("--state.file", flags.file_path, "PATH", help)
    add_alerts_file(parser)


def run(
    config_file: Path | None,
    web_listen_address: Sequence[Address] | None,
    web_config_file: Path | None,
    web_telemetry_path: str,
    web_external_url: str | None,
    web_route_prefix: str | None,
    log_level: str,
    log_format: str,
    shard_ordinal: int | None,
    shard_total: int | None,
    state_file: Path | None,
    alerts_file: Path | None,
) -> int:
    """Serve until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    shard = process_shard(shard_ordinal, shard_total, os.environ, socket.gethostname())
    log = new_log(log_level, log_format)
    _raise_file_limit()
    log_library_warnings(log)
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*GARBAGE_COLLECTION)
    address = external_address(web_external_url, web_route_prefix)
    read = ConfigFile(config_file, KINDS).read
    cache = _new_state_file(state_file, log) if state_file else None
    exporter, web_config = run_both(
        lambda: new_exporter(
            *run_both(read, lambda: with_alerts_file(KINDS, alerts_file)),
            log,
            web_telemetry_path,
            shard,
            read=read,
            state_file=cache,
            address=address,
        ),
        lambda: LiveWebConfig(web_config_file, log),
    )
    draining = Event()
    app = protected_app(exporter.app, web_config, draining, prefix=address.prefix)
    listeners = listen_all(web_listen_address or [parse_address(flags.DEFAULT_LISTEN_ADDRESS)])
    apps = [ServedApp(app, listener, web_config.tls, address.prefix) for listener in listeners]
    for served in apps:
        url, cells = served.url + web_telemetry_path, len(exporter.runtime.cells)
        log.info("listening", version=__version__, url=url, cells=cells)
    with _open_state_file(cache):
        asyncio.run(_serve(apps, exporter, draining))
    log.info("stopped")
    return 0


def _new_state_file(path: Path, log: Log) -> StateFile:
    # Without a state file, SQLite is not loaded.
    from exporter.state.state_file import StateFile

    return StateFile(path, KINDS, Clock(), log)


@contextmanager
def _open_state_file(state_file: StateFile | None) -> Iterator[None]:
    if state_file:
        state_file.start()
    try:
        yield
    finally:
        # SIGHUP must not end the process while the last operations are written.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if state_file:
            state_file.close()


def _raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard limit.

    The usual soft limit is 1,024, and connections to AWS stay open: up to 20 for each scope.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports an infinite hard limit and refuses it as the soft limit.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(apps: Sequence[ServedApp], exporter: Exporter, draining: Event) -> None:
    def stop() -> None:
        draining.set()
        exporter.stop()

    handle_signal(signal.SIGHUP, exporter.reload_soon)
    await serve(apps, stop)
