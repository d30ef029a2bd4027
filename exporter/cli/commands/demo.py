"""``demo``: the exporter on the simulator, in one process, without an AWS account, credentials or a network."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from exporter.app.exporter import new_service
from exporter.aws.models import Models
from exporter.cli.commands.simulate import isolated, read_scenario
from exporter.config.loader import parse_config
from exporter.core.log import Log, pass_on_libraries
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.web.listener.server import Address, Site, listen, listen_all, serve
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import Readiness, secured


def run(addresses: Sequence[Address], web_config_file: Path | None, log: Log) -> int:
    """Serve both until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    pass_on_libraries(log)
    live, readiness = LiveWebConfig(web_config_file, log), Readiness()
    listeners = listen_all(addresses)
    simulated = Site(application(read_scenario(None), KINDS, Models()), listen(Address("127.0.0.1", 0)))
    _use_only(simulated.url)
    service = new_service(parse_config(demo_config(), KINDS), KINDS, log)
    app = secured(service.app, live, readiness)
    sites = [Site(app, listener, live.tls) for listener in listeners]
    print(
        f"Open the status page:    {', '.join(f'{site.url}/' for site in sites)}\n"
        f"Prometheus scrapes       {', '.join(f'{site.url}/metrics' for site in sites)}\n"
        f"AWS is simulated on      {simulated.url}\n"
        "Every status shows up within two minutes. Ctrl+C ends the demo.",
        flush=True,
    )

    def stop() -> None:
        readiness.end()
        service.stop()

    asyncio.run(serve([*sites, simulated], stop))
    return 0


def demo_config() -> str:
    """Return the configuration of the demo, as YAML."""
    return files("exporter.cli.commands").joinpath("demo.yaml").read_text(encoding="utf-8")


def _use_only(url: str) -> None:
    """Hide this machine's AWS configuration and proxies, so that the demo is the same everywhere."""
    alone = isolated(os.environ, url)
    os.environ.clear()
    os.environ.update(alone)
