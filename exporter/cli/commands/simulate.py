"""``simulate``: the AWS endpoint alone, for fire drills and for trying a configuration."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from exporter.aws.models import Models
from exporter.config.strict_yaml import read_text
from exporter.core.log import new_log, pass_on_libraries
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import Scenario, parse_scenario, scenario_text
from exporter.web.listener.server import Address, Site, listen, serve

ANYBODY = "simulated"
"""Who has credentials is nobody in particular: the simulator takes any."""


def run(address: Address, scenario_file: Path | None) -> int:
    """Serve the simulated AWS until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    pass_on_libraries(new_log())
    site = Site(application(read_scenario(scenario_file), KINDS, Models()), listen(address))
    print(f"AWS is simulated on {site.url}. To use it:\n")
    for name, value in environment(site.url).items():
        print(f"  export {name}={value}")
    print("\nCtrl+C ends it.", flush=True)
    asyncio.run(serve([site], lambda: None))
    return 0


def read_scenario(file: Path | None) -> Scenario:
    """Return the scenario of a file, or the shipped one. Raises ConfigError."""
    return parse_scenario(scenario_text() if file is None else read_text(file), KINDS)


def isolated(environ: Mapping[str, str], url: str) -> dict[str, str]:
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
    """Return what an AWS SDK must find in its environment to use the simulator, and nothing else of this machine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ANYBODY,
        "AWS_SECRET_ACCESS_KEY": ANYBODY,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
