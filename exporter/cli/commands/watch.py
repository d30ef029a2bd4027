"""``watch`` shows live progress in the terminal; in a pipeline, its exit status states how the operations ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.app.exporter import new_process_context
from exporter.app.runtime import Runtime, first_runtime
from exporter.cli import flags
from exporter.cli.terminal import View, new_view
from exporter.cli.watch_result import ExitStatus, ResultTracker, WatchResult
from exporter.collector.cells import Cell
from exporter.collector.targets import TargetResolver
from exporter.config.loader import parse_config, read_config
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.errors import ConfigError
from exporter.core.log import log_library_warnings, new_log, printable
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS

DEFAULT_GIVE_UP_AFTER = "5m"
# The display is updated this often, in seconds. AWS is called only when the data is older than the interval.
TICK = 1.0
# A shell reports a process that SIGPIPE ended with this status.
BROKEN_PIPE = 128 + signal.SIGPIPE


@dataclass(frozen=True, slots=True)
class Arguments:
    """The values of the flags. Empty filters match everything; ``interval`` and ``give_up_after`` are in seconds."""

    config_file: Path | None = None
    account: str = ""
    region: str = ""
    kind: str = ""
    ids: Sequence[str] = ()
    interval: float | None = None
    until_done: bool = False
    give_up_after: float = flags.duration(DEFAULT_GIVE_UP_AFTER)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``watch``."""
    flags.add_config_file(parser)
    parser.add_argument("--account", type=flags.name, metavar="NAME", help="Watch only this configured account.")
    parser.add_argument("--region", type=flags.name, metavar="REGION", help="Watch only this Region.")
    parser.add_argument("--kind", type=flags.name, metavar="KIND", help="Watch only operations of this kind.")
    parser.add_argument(
        "--id",
        dest="ids",
        type=flags.name,
        action="append",
        metavar="ID",
        help="Watch only this operation; repeatable, needs --kind.",
    )
    parser.add_argument(
        "--interval",
        type=flags.duration,
        metavar="DURATION",
        help="Time between two refreshes; refresh.min_age if omitted.",
    )
    parser.add_argument(
        "--until-done",
        action="store_true",
        help="Exit when all operations have ended, with status 1 if one has failed.",
    )
    parser.add_argument(
        "--give-up-after",
        type=flags.duration,
        metavar="DURATION",
        help="With --until-done: exit with status 3 when a cell cannot be read for this time."
        f" (default: {DEFAULT_GIVE_UP_AFTER})",
    )


def run(arguments: Arguments) -> int:
    """Watch until SIGINT or SIGTERM, or with ``until_done`` until all operations have ended. Raises ConfigError."""
    log, clock = new_log("error"), Clock()
    log_library_warnings(log)
    runtime = first_runtime(
        new_process_context(KINDS, log, Shard(), clock),
        _config(arguments),
        lambda cells: matching_cells(cells, arguments),
    )
    try:
        with new_view(sys.stdout, os.environ.get("TERM", "")) as view:
            result = asyncio.run(watch(runtime, view, clock, arguments))
        return _print_result(result)
    except BrokenPipeError:
        # The reader of the pipe has ended. Python flushes standard output at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


async def watch(runtime: Runtime, view: View, clock: Clock, arguments: Arguments) -> WatchResult:
    """Show the operations until all have ended, and return the result. Without ``until_done`` it never returns."""
    tracker = ResultTracker(runtime.cells, clock, arguments.give_up_after)
    while True:
        await runtime.scheduler.refresh(TICK)
        result = tracker.update(runtime.store.snapshots())
        view.show(runtime.overview.operations(), runtime.overview.cells(), clock.now())
        if arguments.until_done and result.exit_status is not None:
            return result
        await clock.sleep(TICK)


def _config(arguments: Arguments) -> Config:
    """Return the configuration of the file or of the flags, with the interval of the flags."""
    config = read_config(arguments.config_file, KINDS) if arguments.config_file else flags_config(arguments)
    if arguments.interval is None:
        return config
    return config.model_copy(update={"refresh": config.refresh.model_copy(update={"min_age": arguments.interval})})


def flags_config(arguments: Arguments) -> Config:
    """Return the configuration that the flags describe, for the default credentials. Raises ConfigError."""
    kind = next((kind for kind in KINDS if kind.name == arguments.kind), None)
    account: dict[str, Any] = {"regions": [arguments.region] if arguments.region else []}
    if kind and arguments.ids:
        # Options add counts, and counts decide whether an operation failed.
        options = {option.name: True for option in kind.options}
        account["watch"] = [{"kind": kind.name, "ids": list(arguments.ids), **options}]
    elif kind:
        account["watch"] = [{"kind": kind.name, "discover": {"statuses": sorted(kind.active)}}]
    try:
        return parse_config(json.dumps({"accounts": [account]}), KINDS)
    except ConfigError as error:
        ids = {f"watch[0].ids[{index}]": "--id" for index in range(len(arguments.ids))}
        raise ConfigError(
            _flag_problem(problem, {"regions[0]": "--region", **ids}) for problem in error.problems
        ) from None


def _flag_problem(problem: str, flags: dict[str, str]) -> str:
    """Replace the path in the generated configuration by the name of the flag."""
    path, _, message = problem.partition(": ")
    return f"{flags.get(path.removeprefix('accounts[0].'), path)}: {message}"


def matching_cells(cells: Sequence[Cell], arguments: Arguments) -> tuple[Cell, ...]:
    """Return the cells that the flags select. Raises ConfigError."""
    account, region, kind = arguments.account, arguments.region, arguments.kind
    if arguments.ids:
        try:
            return (TargetResolver(cells, KINDS).cell(kind, arguments.ids, region, account),)
        except ConfigError as error:
            raise ConfigError(f"--{problem}" for problem in error.problems) from None
    matching = tuple(
        cell
        for cell in cells
        if account in ("", cell.account.name) and region in ("", cell.region) and kind in ("", cell.kind.name)
    )
    if not matching:
        raise ConfigError(["--account, --region, --kind: no watched cell matches"])
    return matching


def _print_result(result: WatchResult) -> int:
    """Print how the operations ended, and return the exit status."""
    if result.exit_status is ExitStatus.UNREACHABLE:
        for key in result.unreachable:
            print(printable(f"{key.account} {key.region} {key.kind}: cannot be read from AWS"), file=sys.stderr)
        return result.exit_status
    ended = len(result.succeeded) + len(result.failed)
    print(f"{len(result.succeeded)} of {ended} operations succeeded" if ended else "no operation is active")
    for id in result.failed:
        print(f"failed: {printable(id)}")
    return result.exit_status or 0
