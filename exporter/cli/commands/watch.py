"""``watch`` shows live progress in the terminal; in a pipeline, its exit status states how the operations ended."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exporter.app.exporter import new_process_context
from exporter.app.runtime import (
    ProcessContext,
    Runtime,
    finds_regions,
    first_runtime,
    read_organizations,
    read_regions,
)
from exporter.cli import flags
from exporter.cli.alerts_file import add_alerts_file, with_alerts_file
from exporter.cli.exit_status import ExitStatus
from exporter.cli.parser import CommandParser
from exporter.cli.watch_output import Show, new_output
from exporter.cli.watch_result import ResultTracker, WatchedOperation, WatchResult, most_frequent_reasons
from exporter.collector.cells import Cell, target_cell, with_only_id
from exporter.collector.failures import read_failures
from exporter.config.kind_models import active_operations
from exporter.config.loader import parse_config, read_config
from exporter.config.partitions import is_enabled_by_default
from exporter.config.sections import Account, Config
from exporter.config.validation import run_both
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, ConfigError, QueryError
from exporter.core.log import log_library_warnings, new_log
from exporter.core.model import Shard
from exporter.kinds.kind import FailedItem
from exporter.kinds.phase import NO_FAILURES, FailureLimit, Outcome
from exporter.kinds.registry import KINDS

# The display is updated this often, in seconds. AWS is called only when the data is older than the interval.
TICK = 1.0
# The reasons of failed items are read for so many operations, for so many items of each, and for so many seconds.
MAX_EXPLAINED = 5
MAX_FAILURES = 100
MAX_REASON_SECONDS = 30.0
# A message lists so many accounts.
MAX_NAMES = 10


@dataclass(frozen=True, slots=True)
class Filter:
    """The cells and operations to watch. An empty field matches everything."""

    account: str = ""
    region: str = ""
    kind: str = ""
    ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class End:
    """When a watch ends: never, or when all operations have ended.

    ``give_up_after`` and ``timeout`` are in seconds: the time for which a cell cannot be read, and the whole time.
    ``max_failed`` is the number of failed items that an operation may have.
    """

    until_done: bool = True
    give_up_after: float = 300.0
    timeout: float | None = None
    max_failed: FailureLimit = NO_FAILURES


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``watch``."""
    flags.add_config_file(parser)
    parser.add_value("--account", flags.name, "NAME", "Watch only the account with this name or account id.")
    parser.add_value("--region", flags.name, "REGION", "Watch only this Region.")
    names = [kind.name for kind in KINDS]
    help = f"Watch only operations of this kind: {', '.join(names)}."
    parser.add_value("--kind", flags.one_of(*names), "KIND", help)
    help = "Watch only this operation; repeatable, needs --kind."
    parser.add_value("--id", flags.name, "ID", help, action="append")
    help = "Time between two refreshes; refresh.min_age if omitted."
    parser.add_value("--interval", flags.duration, "DURATION", help)
    help = "Exit when all operations have ended; docs/configuration.md lists the statuses."
    parser.add_argument("--until-done", action="store_true", help=help)
    help = "With --until-done: an operation succeeds with this number or percentage of failed items, such as 10 or 2%%."
    parser.add_value("--max-failed", flags.failure_limit, "LIMIT", help, "0")
    help = "Exit with status 5 after this time; no limit if omitted."
    parser.add_value("--timeout", flags.duration, "DURATION", help)
    help = "With --until-done: exit with status 3 when a cell cannot be read for this time."
    parser.add_value("--give-up-after", flags.duration, "DURATION", help, "5m")
    help = "One of text, json. json prints an object a line: each change, and the result as the last line."
    parser.add_value("--output", flags.one_of("text", "json"), "FORMAT", help, "text")
    add_alerts_file(parser)


def run(
    config_file: Path | None,
    account: str | None,
    region: str | None,
    kind: str | None,
    id: Sequence[str] | None,
    interval: float | None,
    until_done: bool,
    max_failed: FailureLimit,
    timeout: float | None,
    give_up_after: float,
    output: str,
    alerts_file: Path | None,
) -> int:
    """Watch until SIGINT or SIGTERM, or until the end that the flags define. Raises ConfigError."""
    log, clock = new_log("error"), Clock()
    log_library_warnings(log)
    filter = Filter(account or "", region or "", kind or "", id or ())
    config, kinds = run_both(
        lambda: read_config(config_file, KINDS) if config_file else flags_config(filter),
        lambda: with_alerts_file(KINDS, alerts_file),
    )
    if interval is not None:
        config = config.model_copy(update={"refresh": config.refresh.model_copy(update={"min_age": interval})})
    process = new_process_context(kinds, log, Shard(), clock)
    runtime = filtered_runtime(process, config, filter)
    end = End(until_done, give_up_after, timeout, max_failed)
    tracker = ResultTracker(runtime.cells, clock, give_up_after, max_failed)
    with new_output(sys.stdout, os.environ.get("TERM", ""), output) as shown:
        try:
            result = asyncio.run(watch(runtime, tracker, shown.show, clock, end))
        except (KeyboardInterrupt, SystemExit) as error:
            # Without an end, Ctrl+C is the usual end of a watch in a terminal, and needs no result.
            if until_done or output == "json":
                shown.finish(replace(tracker.result(), exit_status=_signal_status(error)), clock.now())
            raise
        shown.finish(result, clock.now())
    return result.exit_status or ExitStatus.SUCCEEDED


def _signal_status(error: BaseException) -> ExitStatus:
    return ExitStatus.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitStatus.TERMINATED


async def watch(runtime: Runtime, tracker: ResultTracker, show: Show, clock: Clock, end: End) -> WatchResult:
    """Show the operations until the end, and return the result."""
    started = clock.monotonic()
    while True:
        await runtime.scheduler.refresh(TICK)
        result = tracker.update(runtime.store.snapshots(), runtime.scheduler.under_way)
        show(runtime.overview.operations(), runtime.overview.cells(), clock.now())
        if end.until_done and result.exit_status is not None:
            left = MAX_REASON_SECONDS if end.timeout is None else end.timeout - (clock.monotonic() - started)
            return await with_reasons(runtime, result, min(left, MAX_REASON_SECONDS))
        if end.timeout is not None and clock.monotonic() - started >= end.timeout:
            return replace(result, exit_status=ExitStatus.TIMED_OUT)
        await clock.sleep(TICK)
        # A refresh that ended meanwhile can start again at once.
        tracker.update(runtime.store.snapshots(), runtime.scheduler.under_way)


async def with_reasons(runtime: Runtime, result: WatchResult, seconds: float) -> WatchResult:
    """Return the result with the most frequent reasons of failed items, as far as they can be read within the time.

    Whatever happens to the calls, the exit status stays the same.
    """
    if result.exit_status is not ExitStatus.FAILED:
        return result
    found = list[tuple[str, FailedItem]]()
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            for operation in result.with_outcome(Outcome.FAILED)[:MAX_EXPLAINED]:
                with suppress(ApiError):
                    found += [(operation.id, item) for item in await _failed_items(runtime, operation)]
    return replace(result, reasons=most_frequent_reasons(found))


async def _failed_items(runtime: Runtime, operation: WatchedOperation) -> Sequence[FailedItem]:
    cell = next(cell for cell in runtime.cells if cell.key == operation.cell)
    if cell.kind.failures is None:
        return ()
    api = await runtime.gateway.connect(cell.account, cell.region, cell.kind.name)
    return (await read_failures(api, with_only_id(cell, operation.id), (), MAX_FAILURES)).items


def flags_config(filter: Filter) -> Config:
    """Return the configuration that the flags describe, for the default credentials. Raises ConfigError."""
    kind = next((kind for kind in KINDS if kind.name == filter.kind), None)
    account: dict[str, Any] = {"regions": [filter.region] if filter.region else []}
    if kind and filter.ids:
        # Options add counts, and counts decide whether an operation failed.
        options = {option.name: True for option in kind.options}
        account["watch"] = [{"kind": kind.name, "ids": list(filter.ids), **options}]
    elif kind:
        account["watch"] = [{"kind": kind.name, "discover": active_operations(kind)}]
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


def filtered_runtime(process: ProcessContext, config: Config, filter: Filter) -> Runtime:
    """Return the runtime for the cells that the flags select. Raises ConfigError and UnreachableError.

    The organizations are read once, unless the configuration names the account. The enabled Regions of the matching
    accounts are read once, unless the flags name a Region that needs not be enabled.
    """
    named = {name for account in config.accounts for name in (account.name, account.known_id)}
    if config.organizations and not (filter.account and filter.account in named):
        asyncio.run(read_organizations(process, config))
    if finds_regions(config) and not (filter.region and is_enabled_by_default(filter.region)):
        asyncio.run(read_regions(process, config, lambda account: _is_of_filter(account, filter)))
    return first_runtime(
        process, config, lambda cells: matching_cells(cells, _with_account_name(config, cells, filter))
    )


def _is_of_filter(account: Account, filter: Filter) -> bool:
    """Return whether the flags can mean the account: by its name, its id, or the name in AWS that it shares."""
    id = account.known_id
    return filter.account in ("", account.name, id) or account.name == f"{filter.account}-{id}"


def _with_account_name(config: Config, cells: Sequence[Cell], filter: Filter) -> Filter:
    """Return the filter with the name of the cells' account. It may have the account id, or the name in AWS.

    Raises ConfigError.
    """
    ids, wanted = {cell.account.name: cell.account.known_id for cell in cells}, filter.account
    if not wanted or wanted in ids:
        return filter
    # If several accounts have the same name in AWS, the name of each has its id as a suffix.
    matching = [name for name, id in ids.items() if wanted == id or name == f"{wanted}-{id}"]
    if len(matching) == 1:
        return replace(filter, account=matching[0])
    if matching:
        names = ", ".join(matching[:MAX_NAMES])
        raise ConfigError([f"--account: {len(matching)} accounts have this name or id; use one of {names}"])
    if config.organizations:
        fault = "no active account that the configuration selects has this name or id"
        raise ConfigError([f"--account: {fault}; check --live lists the accounts"])
    return filter


def matching_cells(cells: Sequence[Cell], filter: Filter) -> tuple[Cell, ...]:
    """Return the cells that the flags select. Raises ConfigError."""
    account, region, kind = filter.account, filter.region, filter.kind
    if filter.ids:
        try:
            return (target_cell(cells, KINDS, kind, filter.ids, region, account),)
        except QueryError as error:
            raise ConfigError(f"--{problem}" for problem in error.problems) from None
    matching = tuple(
        cell
        for cell in cells
        if account in ("", cell.account.name) and region in ("", cell.region) and kind in ("", cell.kind.name)
    )
    if not matching:
        raise ConfigError(_filter_problems(cells, filter))
    return matching


def _filter_problems(cells: Sequence[Cell], filter: Filter) -> Iterator[str]:
    """Yield a problem for each flag that matches no cell, or one for all flags together."""
    values = {
        "--account": (filter.account, [cell.account.name for cell in cells]),
        "--region": (filter.region, [cell.region for cell in cells]),
        "--kind": (filter.kind, [cell.kind.name for cell in cells]),
    }
    unknown = {flag: known for flag, (value, known) in values.items() if value and value not in known}
    for flag, known in unknown.items():
        yield f"{flag}: the configuration does not watch it; expected one of {', '.join(dict.fromkeys(known))}"
    if not unknown:
        yield "--account, --region, --kind: no watched cell matches all of them; check lists the cells"
