"""``watch``: live progress in the terminal, without a server; for pipelines an exit status that tells how it ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.app.exporter import new_process
from exporter.app.runtime import Runtime, first
from exporter.cli.terminal import View, view_of
from exporter.cli.watch_result import Ending, Findings, Watching
from exporter.collector.cells import Cell
from exporter.collector.targets import TargetResolver
from exporter.config.loader import parse_config, read_config
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.errors import ConfigError
from exporter.core.log import new_log, pass_on_libraries, printable
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS

TICK = 1.0
"""Seconds between two pictures; AWS is asked when the data is older than the interval."""
UNREAD = 128 + signal.SIGPIPE
"""What a shell says of a process that this signal ended: it is no success."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be watched: all that the configuration names, or the part that fits what is not empty here."""

    account: str = ""
    region: str = ""
    kind: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often AWS is asked, None as the configuration says, and for how long a cell may be unreadable, in seconds."""

    interval: float | None
    until_done: bool
    give_up_after: float


def run(config_file: Path | None, wish: Wish, pace: Pace) -> int:
    """Watch until SIGINT or SIGTERM or, if so asked, until all is done. Raises ConfigError."""
    log = new_log("error")
    pass_on_libraries(log)
    clock = Clock()
    config = _paced(read_config(config_file, KINDS) if config_file else _default_config(wish), pace)
    generation = first(new_process(KINDS, log, Shard(), clock), config, lambda cells: _chosen(cells, wish))
    try:
        with view_of(sys.stdout, os.environ.get("TERM", "")) as view:
            found = asyncio.run(follow(generation, view, clock, pace))
        return _report(found)
    except BrokenPipeError:
        # Nobody reads any more. Python would complain of it once more at its end, when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD


async def follow(generation: Runtime, view: View, clock: Clock, pace: Pace) -> Findings:
    """Show what is watched until it is done, and return what was found; without ``until_done`` it never returns."""
    watching = Watching(generation.cells, clock, pace.give_up_after)
    while True:
        await generation.refresher.refresh(TICK)
        found = watching.look(generation.store.snapshots())
        view.show(generation.overview.operations(), generation.overview.cells(), clock.now())
        if pace.until_done and found.ending is not None:
            return found
        await clock.sleep(TICK)


def _default_config(wish: Wish) -> Config:
    """Return the configuration that the flags describe, for the default credentials. Raises ConfigError."""
    kind = next((kind for kind in KINDS if kind.name == wish.kind), None)
    account: dict[str, Any] = {"regions": [wish.region] if wish.region else []}
    if kind and wish.ids:
        # Options add counts, and counts decide how an operation ended.
        options = {option.name: True for option in kind.options}
        account["watch"] = [{"kind": kind.name, "ids": list(wish.ids), **options}]
    elif kind:
        account["watch"] = [{"kind": kind.name, "discover": {"statuses": sorted(kind.active)}}]
    try:
        return parse_config(json.dumps({"accounts": [account]}), KINDS)
    except ConfigError as error:
        flags = {"regions[0]": "--region", **{f"watch[0].ids[{at}]": "--id" for at in range(len(wish.ids))}}
        raise ConfigError(_named(problem, flags) for problem in error.problems) from None


def _named(problem: str, flags: dict[str, str]) -> str:
    """Return a problem with the name of the flag instead of a path in a file that nobody wrote."""
    path, _, said = problem.partition(": ")
    return f"{flags.get(path.removeprefix('accounts[0].'), path)}: {said}"


def _paced(config: Config, pace: Pace) -> Config:
    if pace.interval is None:
        return config
    refresh = config.refresh.model_copy(update={"min_age": pace.interval})
    return config.model_copy(update={"refresh": refresh})


def _chosen(cells: Sequence[Cell], wish: Wish) -> tuple[Cell, ...]:
    """Return the cells that are wished for. Raises ConfigError."""
    if wish.ids:
        try:
            return (TargetResolver(cells, KINDS).cell(wish.kind, wish.ids, wish.region, wish.account),)
        except ConfigError as error:
            raise ConfigError(f"--{problem}" for problem in error.problems) from None
    fitting = tuple(cell for cell in cells if _fits(cell, wish))
    if not fitting:
        raise ConfigError(["--account, --region, --kind: nothing that is watched fits"])
    return fitting


def _fits(cell: Cell, wish: Wish) -> bool:
    pairs = ((wish.account, cell.account.name), (wish.region, cell.region), (wish.kind, cell.kind.name))
    return all(wanted in ("", had) for wanted, had in pairs)


def _report(found: Findings) -> int:
    """Print how the watch ended, and return its exit status."""
    if found.ending is Ending.UNREACHABLE:
        for key in found.unreachable:
            print(printable(f"{key.account} {key.region} {key.kind}: cannot be read from AWS"), file=sys.stderr)
        return found.ending
    ended = len(found.well) + len(found.badly)
    print(f"{len(found.well)} of {ended} operations ended well" if ended else "nothing to wait for")
    for id in found.badly:
        print(f"did not end well: {printable(id)}")
    return found.ending or 0
