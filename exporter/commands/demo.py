"""``demo``: the exporter on the simulator, in one process, without an AWS account, credentials or a network."""

from __future__ import annotations

import asyncio
import os
from importlib.resources import files

from exporter.aws.models import Models
from exporter.commands.simulate import isolated, read_scenario
from exporter.config import parse_config
from exporter.kinds import KINDS
from exporter.log import Log, pass_on_libraries
from exporter.service import new_service
from exporter.simulator.app import application
from exporter.web.server import Address, Site, listen, serve


def run(address: Address, log: Log) -> int:
    """Serve both until SIGINT or SIGTERM and return 0. Raises StartError."""
    pass_on_libraries(log)
    listener = listen(address)
    simulated = Site(application(read_scenario(None), KINDS, Models()), listen(Address("127.0.0.1", 0)))
    _use_only(simulated.url)
    service = new_service(parse_config(demo_config(), KINDS), KINDS, log)
    site = Site(service.app, listener)
    print(
        f"The exporter answers on  {site.url}/metrics\n"
        f"AWS is simulated on      {simulated.url}\n"
        "Every status shows up within two minutes. Ctrl+C ends the demo.",
        flush=True,
    )
    asyncio.run(serve([site, simulated], service.refresher.stop))
    return 0


def demo_config() -> str:
    """Return the configuration of the demo, as YAML."""
    return files("exporter.commands").joinpath("demo.yaml").read_text(encoding="utf-8")


def _use_only(url: str) -> None:
    """Hide this machine's AWS configuration and proxies, so that the demo is the same everywhere."""
    alone = isolated(os.environ, url)
    os.environ.clear()
    os.environ.update(alone)
