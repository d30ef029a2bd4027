"""``failures`` prints which items of an operation failed, and why."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.app.exporter import new_process_context
from exporter.aws.gateway import Gateway
from exporter.aws.models import Models
from exporter.cli import flags
from exporter.cli.commands.watch import Filter, filtered_runtime, flags_config
from exporter.cli.exit_status import ExitStatus
from exporter.cli.failures_output import FORMATS
from exporter.cli.parser import CommandParser
from exporter.collector.cells import Cell
from exporter.collector.failure_reader import problem_text
from exporter.collector.failures import Failures, read_failures, states_problem
from exporter.config.loader import read_config
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, ConfigError, Reason
from exporter.core.log import log_library_warnings, new_log, printable
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS

KINDS_WITH_FAILURES = tuple(kind.name for kind in KINDS if kind.failures)
MAX_ITEMS = 10_000


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``failures``."""
    help = f"The kind of the operation; one of {', '.join(KINDS_WITH_FAILURES)}."
    parser.add_value("--kind", flags.one_of(*KINDS_WITH_FAILURES), "KIND", help)
    parser.add_value("--id", flags.name, "ID", "The id of the operation.")
    flags.add_config_file(parser)
    parser.add_value("--account", flags.name, "NAME", "The name or the account id of the operation's account.")
    parser.add_value("--region", flags.name, "REGION", "The Region of the operation.")
    help = "Only items in this state of AWS, such as TIMED_OUT or REMOVED; repeatable. All failed ones if omitted."
    parser.add_value("--state", flags.name, "STATE", help, action="append")
    help = "The maximum number of items. The reason of an item can need a call to AWS."
    parser.add_value("--limit", flags.whole_number(1, MAX_ITEMS), "N", help, "100")
    parser.add_value("--output", flags.one_of(*FORMATS), "FORMAT", f"One of {', '.join(FORMATS)}.", "table")


def run(
    kind: str | None,
    id: str | None,
    config_file: Path | None,
    account: str | None,
    region: str | None,
    state: Sequence[str] | None,
    limit: int,
    output: str,
) -> int:
    """Print the failed items. Return 0 also if items failed, 1 for an unknown id, 3 without AWS. Raises ConfigError."""
    log, clock = new_log("error"), Clock()
    log_library_warnings(log)
    filter = Filter(account or "", region or "", _required("--kind", kind), (_required("--id", id),))
    config = read_config(config_file, KINDS) if config_file else flags_config(filter)
    process = new_process_context(KINDS, log, Shard(), clock)
    runtime = filtered_runtime(process, config, filter)
    (cell,) = runtime.cells
    states = _known_states(cell, state or ())
    try:
        failures = asyncio.run(_read(runtime.gateway, cell, states, limit))
    except ApiError as error:
        return _report(cell, [error])
    print(FORMATS[output](cell.key, failures), end="", flush=True)
    return _report(cell, failures.problems)


def _required(flag: str, value: str | None) -> str:
    if value is None:
        raise ConfigError([f"{flag}: required"])
    return value


def _known_states(cell: Cell, states: Sequence[str]) -> tuple[str, ...]:
    """Return the states without duplicates. Raises ConfigError for a state of no failed item."""
    if problem := states_problem(cell.kind, states):
        raise ConfigError([f"--state: {problem}"])
    return tuple(dict.fromkeys(states))


async def _read(gateway: Gateway, cell: Cell, states: Sequence[str], limit: int) -> Failures:
    api = await gateway.connect(cell.account, cell.region, cell.kind.name)
    return await read_failures(api, cell, states, limit)


def _report(cell: Cell, errors: Sequence[ApiError]) -> int:
    """Print the errors, each with its cure, and return the exit status."""
    for error in errors:
        place = f"{cell.account.name} {cell.region} {cell.kind.name} {cell.watch.ids[0]}"
        print(printable(f"{place}: {problem_text(cell, error, Models().iam_action)}"), file=sys.stderr)
    if any(error.reason is Reason.NOT_FOUND for error in errors):
        return ExitStatus.FAILED
    return ExitStatus.UNREACHABLE if errors else ExitStatus.SUCCEEDED
