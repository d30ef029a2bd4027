"""``drill`` makes every alert fire and resolve: on a simulated AWS, with a real Prometheus and Alertmanager."""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

from exporter.cli import flags
from exporter.cli.commands.simulate import isolated_environment
from exporter.cli.drill.cases import cases
from exporter.cli.drill.course import RESTARTS, Drill
from exporter.cli.drill.environment import EXPORTERS, DrillEnvironment, Ports, Tools
from exporter.cli.drill.programs import HOST, Programs
from exporter.cli.drill.speed_up import speed_up
from exporter.cli.parser import CommandParser
from exporter.config.strict_yaml import problems_in, read_text
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import Change, Parameters, Settings

# With this factor, 15 minutes in the shipped rules are 7.5 seconds in the drill.
SPEED = 120.0
SETTINGS = Settings(
    parameters=Parameters(exporters=EXPORTERS),
    alerts={"AwsIotBulkExporterRestarting": Change(threshold=RESTARTS - 1)},
)


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``drill``."""
    help = "Alertmanager configuration, whose receivers are called; no receiver is called if omitted."
    parser.add_value("--alertmanager.config.file", flags.file_path, "PATH", help)
    parser.add_argument("--hold", action="store_true", help="Keep the alerts firing until Ctrl+C.")


def run(alertmanager_config_file: Path | None, hold: bool) -> int:
    """Return 0 if every alert fired and resolved, else 1. Raises ConfigError or StartError."""
    if alertmanager_config_file:
        with problems_in(alertmanager_config_file):
            read_text(alertmanager_config_file)
    tools, ports = Tools(), Ports()
    folder = Path(tempfile.mkdtemp(prefix="aws-iot-bulk-drill-"))
    programs = Programs(folder, _environment(ports.aws))
    rule_content = rule_file(speed_up(rules(KINDS, SETTINGS), SPEED))
    environment = DrillEnvironment(tools, programs, ports, cases(), KINDS, rule_content, alertmanager_config_file)
    try:
        passed = asyncio.run(_run_until_sigterm(Drill(environment, _report, _hold if hold else None)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(folder)
        raise KeyboardInterrupt from None
    if not passed:
        _report(f"The logs of the programs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


async def _run_until_sigterm(drill: Drill) -> bool:
    """Run the drill. SIGTERM cancels it as Ctrl+C does, so that it stops its programs."""
    task = asyncio.create_task(drill.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _hold() -> None:
    released, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, released.set)
    _report("held          Ctrl+C lets the alerts resolve.")
    await released.wait()
    loop.remove_signal_handler(signal.SIGINT)


def _report(line: str) -> None:
    print(line, flush=True)


def _environment(aws_port: int) -> dict[str, str]:
    """Return the environment of the programs, without the shard of the process that runs the drill."""
    environment = isolated_environment(os.environ, f"http://{HOST}:{aws_port}")
    return {name: value for name, value in environment.items() if not name.startswith("SHARD_")}
