"""``simulate`` serves the simulated AWS alone, for fire drills and for tests of a configuration."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from exporter.aws.models import Models
from exporter.cli import flags
from exporter.cli.parser import CommandParser
from exporter.config.strict_yaml import problems_in, read_text
from exporter.core.log import log_library_warnings, new_log
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import Scenario, parse_scenario, scenario_text
from exporter.web.limits import Limits
from exporter.web.listener.server import Address, ServedApp, listen, parse_address, serve

# The simulator accepts any credentials.
CREDENTIAL = "simulated"


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``simulate``."""
    help = "Address of the simulated AWS."
    parser.add_value("--listen-address", parse_address, "HOST:PORT", help, "127.0.0.1:10099")
    parser.add_value("--scenario", flags.file_path, "FILE", "Scenario file; the scenario of the demo if omitted.")


def run(listen_address: Address, scenario: Path | None) -> int:
    """Serve the simulated AWS until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    log_library_warnings(new_log())
    app = application(read_scenario(scenario), KINDS, Models())
    simulator = ServedApp(app, listen(listen_address))
    print(f"AWS is simulated on {simulator.url}. To use it:\n")
    for name, value in environment(simulator.url).items():
        print(f"  export {name}={value}")
    print("\nCtrl+C ends it.", flush=True)
    # All connections may be those of one exporter.
    limits = Limits(connections_per_address=Limits().connections)
    asyncio.run(serve([simulator], lambda: None, limits))
    return 0


def read_scenario(file: Path | None) -> Scenario:
    """Return the scenario of a file, or the shipped one. Raises ConfigError."""
    with problems_in(file):
        return parse_scenario(scenario_text() if file is None else read_text(file), KINDS)


def isolated_environment(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """Return an environment with the simulator as AWS, without this machine's AWS configuration and proxies."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        **environment(url),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def environment(url: str) -> dict[str, str]:
    """Return the environment variables that make an AWS SDK use the simulator."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
