"""``drill``: set off every alert on a simulated AWS, with real Prometheus and Alertmanager, and see each one end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

from exporter.cli.commands.simulate import isolated
from exporter.cli.drill.cases import cases
from exporter.cli.drill.course import Drill
from exporter.cli.drill.files import Files
from exporter.cli.drill.programs import HOST, Programs
from exporter.cli.drill.speed_up import hurried
from exporter.cli.drill.stage import Ports, Stage, Tools
from exporter.config.strict_yaml import read_text
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules

SPEED = 120.0
"""A quarter of an hour of the rules as they are shipped is 7.5 seconds of the drill."""


def run(alertmanager_config: Path | None, hold: bool) -> int:
    """Return 0 when every alert fired and ended, 1 when one did not. Raises ConfigError or StartError."""
    if alertmanager_config:
        read_text(alertmanager_config)
    tools = Tools()
    folder = Path(tempfile.mkdtemp(prefix="aws-iot-bulk-drill-"))
    ports = Ports()
    programs = Programs(folder, _environment(ports.aws))
    rule_content = rule_file(hurried(rules(KINDS), SPEED))
    stage = Stage(tools, Files(folder), programs, ports, cases(), KINDS, rule_content, alertmanager_config)
    try:
        passed = asyncio.run(_interruptible(Drill(stage, _say, _held if hold else _at_once)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(folder)
        raise KeyboardInterrupt from None
    if not passed:
        _say(f"What the programs said is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


async def _interruptible(drill: Drill) -> bool:
    """Run the drill; SIGTERM ends it as Ctrl+C does, and with it every program that it started."""
    course = asyncio.create_task(drill.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, course.cancel)
    return await course


async def _held() -> None:
    released, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, released.set)
    _say("held          Ctrl+C lets the alerts end.")
    await released.wait()
    loop.remove_signal_handler(signal.SIGINT)


async def _at_once() -> None:
    return


def _say(line: str) -> None:
    print(line, flush=True)


def _environment(aws_port: int) -> dict[str, str]:
    """Return the environment of the programs; where the drill runs in a shard, it is none itself."""
    alone = isolated(os.environ, f"http://{HOST}:{aws_port}")
    return {name: value for name, value in alone.items() if not name.startswith("SHARD_")}
