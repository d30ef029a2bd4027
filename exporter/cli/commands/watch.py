"""``watch`` shows live progress in the terminal; in a pipeline, its exit status states how the operations ended."""

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
from exporter.cli.parser import CommandParser
from exporter.cli.terminal import View, new_view
from exporter.cli.watch_result import ExitStatus, ResultTracker, WatchResult
from exporter.collector.cells import Cell, target_cell
from exporter.config.loader import parse_config, read_config
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.errors import ConfigError
from exporter.core.log import log_library_warnings, new_log, printable
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS

# The display is updated this often, in seconds. AWS is called only when the data is older than the interval.
TICK = 1.0
# A shell reports a process that SIGPIPE ended with this status.
BROKEN_PIPE = 128 + signal.SIGPIPE


@dataclass(frozen=True, slots=True)
class Filter:
    """The cells and operations to watch. An empty field matches everything."""

    account: str = ""
    region: str = ""
    kind: str = ""
    ids: Sequence[str] = ()


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``watch``."""
    flags.add_config_file(parser)
    parser.add_value("--account", flags.name, "NAME", "Watch only this configured account.")
    parser.add_value("--region", flags.name, "REGION", "Watch only this Region.")
    parser.add_value("--kind", flags.name, "KIND", "Watch only operations of this kind.")
    help = "Watch only this operation; repeatable, needs --kind."
    parser.add_value("--id", flags.name, "ID", help, action="append")
    help = "Time between two refreshes; refresh.min_age if omitted."
    parser.add_value("--interval", flags.duration, "DURATION", help)
    help = "Exit when all operations have ended, with status 1 if one has failed, 4 if retries hide it."
    parser.add_argument("--until-done", action="store_true", help=help)
    help = "With --until-done: exit with status 3 when a cell cannot be read for this time."
    parser.add_value("--give-up-after", flags.duration, "DURATION", help, "5m")


def run(
    config_file: Path | None,
    account: str | None,
    region: str | None,
    kind: str | None,
    id: Sequence[str] | None,
    interval: float | None,
    until_done: bool,
    give_up_after: float,
) -> int:
    """Watch until SIGINT or SIGTERM, or with ``until_done`` until all operations have ended. Raises ConfigError."""
    log, clock = new_log("error"), Clock()
    log_library_warnings(log)
    filter = Filter(account or "", region or "", kind or "", id or ())
    config = read_config(config_file, KINDS) if config_file else flags_config(filter)
    if interval is not None:
        config = config.model_copy(update={"refresh": config.refresh.model_copy(update={"min_age": interval})})
    process = new_process_context(KINDS, log, Shard(), clock)
    runtime = first_runtime(process, config, lambda cells: matching_cells(cells, filter))
    try:
        with new_view(sys.stdout, os.environ.get("TERM", "")) as view:
            result = asyncio.run(watch(runtime, view, clock, until_done, give_up_after))
        return print_result(result)
    except BrokenPipeError:
        # The reader of the pipe has ended. Python flushes standard output at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


async def watch(runtime: Runtime, view: View, clock: Clock, until_done: bool, give_up_after: float) -> WatchResult:
    """Show the operations until all have ended, and return the result. Without ``until_done`` it never returns."""
    tracker = ResultTracker(runtime.cells, clock, give_up_after)
    while True:
        await runtime.scheduler.refresh(TICK)
        result = tracker.update(runtime.store.snapshots())
        view(runtime.overview.operations(), runtime.overview.cells(), clock.now())
        if until_done and result.exit_status is not None:
            return result
        await clock.sleep(TICK)


def flags_config(filter: Filter) -> Config:
    """Return the configuration that the flags describe, for the default credentials. Raises ConfigError."""
    kind = next((kind for kind in KINDS if kind.name == filter.kind), None)
    account: dict[str, Any] = {"regions": [filter.region] if filter.region else []}
    if kind and filter.ids:
        # Options add counts, and counts decide whether an operation failed.
        options = {option.name: True for option in kind.options}
        account["watch"] = [{"kind": kind.name, "ids": list(filter.ids), **options}]
    elif kind:
        account["watch"] = [{"kind": kind.name, "discover": {"statuses": sorted(kind.active)}}]
    try:
        return parse_config(json.dumps({"accounts": [account]}), KINDS)
    except ConfigError as error:
        ids = {f"watch[0].ids[{index}]": "--id" for index in range(len(filter.ids))}
        raise ConfigError(
            _flag_problem(problem, {"regions[0]": "--region", **ids}) for problem in error.problems
        ) from None


def _flag_problem(problem: str, flags: dict[str, str]) -> str:
    """Replace the path in the generated configuration by the name of the flag."""
    path, _, message = problem.partition(": ")
    return f"{flags.get(path.removeprefix('accounts[0].'), path)}: {message}"


def matching_cells(cells: Sequence[Cell], filter: Filter) -> tuple[Cell, ...]:
    """Return the cells that the flags select. Raises ConfigError."""
    account, region, kind = filter.account, filter.region, filter.kind
    if filter.ids:
        try:
            return (target_cell(cells, KINDS, kind, filter.ids, region, account),)
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


def print_result(result: WatchResult) -> int:
    """Print how the operations ended, and return the exit status."""
    if result.exit_status is ExitStatus.UNREACHABLE:
        for key in result.unreachable:
            print(printable(f"{key.account} {key.region} {key.kind}: cannot be read from AWS"), file=sys.stderr)
        return result.exit_status
    ended = len(result.succeeded) + len(result.failed) + len(result.undecided)
    print(f"{len(result.succeeded)} of {ended} operations succeeded" if ended else "no operation is active")
    for id in result.failed:
        print(f"failed: {printable(id)}")
    for id in result.undecided:
        print(f"undecided: {printable(id)}: things may have failed after retries; list its executions in AWS")
    return result.exit_status or 0
