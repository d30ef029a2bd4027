"""``demo`` runs the exporter on the simulator in one process: no AWS account, credentials or network is needed."""

import asyncio
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from threading import Event

from exporter.app.exporter import new_exporter
from exporter.aws.models import Models
from exporter.cli import flags
from exporter.cli.commands.simulate import isolated_environment, read_scenario
from exporter.cli.parser import CommandParser
from exporter.config.loader import parse_config
from exporter.core.log import log_library_warnings, new_log
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.web.external_address import external_address
from exporter.web.listener.server import Address, ServedApp, listen, listen_all, parse_address, serve
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import protected_app


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``demo``."""
    flags.add_listen_address(parser)
    flags.add_web_config_file(parser)
    flags.add_external_address(parser)
    flags.add_log_flags(parser)


def run(
    web_listen_address: Sequence[Address] | None,
    web_config_file: Path | None,
    web_external_url: str | None,
    web_route_prefix: str | None,
    log_level: str,
    log_format: str,
) -> int:
    """Serve both until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    log = new_log(log_level, log_format)
    log_library_warnings(log)
    web_config, draining = LiveWebConfig(web_config_file, log), Event()
    listeners = listen_all(web_listen_address or [parse_address(flags.DEFAULT_LISTEN_ADDRESS)])
    simulator = ServedApp(application(read_scenario(None), KINDS, Models()), listen(Address("127.0.0.1", 0)))
    # The demo must be the same on every machine.
    environment = isolated_environment(os.environ, simulator.url)
    os.environ.clear()
    os.environ.update(environment)
    address = external_address(web_external_url, web_route_prefix)
    exporter = new_exporter(parse_config(demo_config(), KINDS), KINDS, log, address=address)
    app = protected_app(exporter.app, web_config, draining, prefix=address.prefix)
    apps = [ServedApp(app, listener, web_config.tls, address.prefix) for listener in listeners]
    print(
        f"Status page:    {', '.join(f'{served.url}/' for served in apps)}\n"
        f"Metrics:        {', '.join(f'{served.url}/metrics' for served in apps)}\n"
        f"Simulated AWS:  {simulator.url}\n"
        "Every status appears within two minutes. Ctrl+C ends the demo.",
        flush=True,
    )

    def stop() -> None:
        draining.set()
        exporter.stop()

    asyncio.run(serve([*apps, simulator], stop))
    return 0


def demo_config() -> str:
    """Return the configuration of the demo, as YAML."""
    return files("exporter.cli.commands").joinpath("demo.yaml").read_text(encoding="utf-8")
