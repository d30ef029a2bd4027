"""``check`` validates the configuration and, with ``--live``, the access to AWS."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.app.enabled_regions import account_regions
from exporter.app.organizations import organization_accounts
from exporter.app.runtime import region_accounts, watched_cells
from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import Models
from exporter.aws.regions import LIST_REGIONS
from exporter.cli import flags
from exporter.cli.check_plan import cell_plan, organization_plan, total_plan
from exporter.cli.parser import CommandParser
from exporter.cli.words import names, quantity
from exporter.collector.cells import Cell, not_offered, with_only_id
from exporter.collector.failures import read_failures
from exporter.collector.operation_reader import is_not_found
from exporter.collector.permissions import permission_hint
from exporter.collector.watched_accounts import Found, account_key
from exporter.config.loader import read_config
from exporter.config.partitions import REGION_PATTERNS
from exporter.config.sections import Account, Config, Organization
from exporter.config.strict_yaml import read_text
from exporter.config.validation import run_both
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason
from exporter.core.log import printable
from exporter.core.model import FoundAccount, Operation
from exporter.kinds.kind import ApiCall, FetchRequest, Kind
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Response
from exporter.metrics.self_metrics import ApiMetrics
from exporter.web.protection.config_file import read_web_config

# This call needs no permission. It fails only if the role cannot be assumed.
IDENTITY = ApiCall("sts", "GetCallerIdentity", quota=10)
# If all cells of an account fail for one of these reasons, the account or the network has the fault.
SHARED_REASONS = frozenset({Reason.CREDENTIALS, Reason.CONNECTION, Reason.TIMEOUT})


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``check``."""
    flags.add_config_file(parser)
    flags.add_web_config_file(parser)
    help = "Make each type of API call for each cell, and read each configured id."
    parser.add_argument("--live", action="store_true", help=help)


def run(config_file: Path | None = None, web_config_file: Path | None = None, live: bool = False) -> int:
    """Print the cells and return 0, or 1 if a live call failed. Raises ConfigError."""
    (config, gateway, cells), _ = run_both(
        lambda: _read(config_file), lambda: web_config_file and read_web_config(web_config_file, read_text)
    )
    if live:
        return asyncio.run(_check_live(config, gateway, cells))
    all_cells = _with_organizations(config, gateway, cells)
    _warn_unknown_regions(config, gateway, all_cells)
    _warn_not_offered(gateway, all_cells)
    for cell in cells:
        print(printable(f"{_name(cell)}: {cell_plan(cell, config.refresh)}"))
    for number, organization in enumerate(config.organizations):
        print(printable(f"organizations[{number}]: {organization_plan(organization, config.refresh)}"))
    print(total_plan(cells, config.refresh))
    accounts = quantity(len({cell.account.name for cell in cells}), "account")
    subject = f"{config_file}: configuration" if config_file else "default configuration"
    print(f"{subject} is valid ({accounts}, {quantity(len(cells), 'cell')})")
    if web_config_file:
        print(f"{web_config_file}: web configuration is valid")
    return 0


def _read(config_file: Path | None) -> tuple[Config, Gateway, tuple[Cell, ...]]:
    config = read_config(config_file, KINDS)
    gateway = Gateway(Models(), config.aws, ApiMetrics(CollectorRegistry()), Clock())
    return config, gateway, watched_cells(config, KINDS, gateway)


def _with_organizations(config: Config, gateway: Gateway, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Return the cells together with those of one account for each organization, whose accounts are not known."""
    ids = range(len(config.organizations))
    members = [(FoundAccount(f"{number:012d}", f"organizations[{number}]"),) for number in ids]
    return watched_cells(config, KINDS, gateway, Found(members)) if members else cells


def _warn_unknown_regions(config: Config, gateway: Gateway, cells: Sequence[Cell]) -> None:
    """Print each Region that the AWS SDK does not know. It is mistyped, or newer than the SDK."""
    known = [region for partition in REGION_PATTERNS for region in gateway.models.regions(partition)]
    entries: Sequence[Account | Organization] = (*config.accounts, *config.organizations)
    named = {region for entry in entries for region in entry.exclude_regions}
    for region in sorted({cell.region for cell in cells} | named):
        if region not in known:
            near = difflib.get_close_matches(region, known, n=1)
            cure = f"did you mean {near[0]}?" if near else "correct it, unless it is a new one"
            print(f"warning: the AWS SDK does not know the Region {region}; {cure}", file=sys.stderr)


def _warn_not_offered(gateway: Gateway, cells: Sequence[Cell]) -> None:
    """Print the kinds that AWS does not offer in a Region, each once, with the accounts that watch them."""
    for (kind, region), accounts in not_offered(cells, gateway.is_offered).items():
        watching = accounts[0] if len(accounts) == 1 else quantity(len(accounts), "account")
        fault = f"AWS does not offer {kind} in {region}; remove the kind or the Region"
        print(printable(f"warning: {watching}: {fault}"), file=sys.stderr)


@dataclass(frozen=True, slots=True)
class _CellCheck:
    """The result of the calls of a cell. ``failure`` is the reason of a failed call, None if all calls succeeded.

    ``is_shared``: the failure is one of the account or the network, not of a call.
    """

    cell: Cell
    message: str
    failure: Reason | None = None
    is_shared: bool = False
    unknown_ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the result, and the warnings."""
        yield f"{'FAILED' if self.failure else 'ok    '} {_name(self.cell)}: {self.message}"
        if self.unknown_ids:
            fault = f"AWS does not know {names(self.unknown_ids)}; correct or remove the id, or its account and Region"
            yield f"warning: {_name(self.cell)}: {fault}"
        for warning in self.warnings:
            yield f"warning: {_name(self.cell)}: {warning}"


async def _check_live(config: Config, gateway: Gateway, cells: Sequence[Cell]) -> int:
    """Read the organizations and the Regions, and check the access to all accounts."""
    members: list[tuple[FoundAccount, ...]] = []
    failed = 0
    for number, organization in enumerate(config.organizations):
        path = f"organizations[{number}]"
        try:
            members.append(await organization_accounts(path, organization, gateway))
            print(printable(f"ok     {path}: {quantity(len(members[-1]), 'account')}"))
        except ApiError as error:
            members.append(())
            failed = 1
            print(printable(f"FAILED {path}: cannot read the organization: {error}"))
    accounts = region_accounts(config, gateway, Found(members))
    enabled = dict(await asyncio.gather(*(_enabled_regions(gateway, account) for account in accounts)))
    found = Found(members, {key: regions for key, regions in enabled.items() if regions})
    if members or found.enabled:
        cells = watched_cells(config, KINDS, gateway, found)
    _warn_unknown_regions(config, gateway, cells)
    _warn_not_offered(gateway, cells)
    return max(failed, await _check_access(gateway, cells, config.failures))


async def _enabled_regions(gateway: Gateway, account: Account) -> tuple[str, frozenset[str]]:
    """Return the Regions that an account has enabled. None, and a warning, if they cannot be read."""
    try:
        regions = await account_regions(account, gateway)
    except ApiError as error:
        cure = permission_hint(error, (LIST_REGIONS,), gateway.models.iam_action)
        effect = "only Regions that are enabled by default are watched"
        print(printable(f"warning: {account.name}: {LIST_REGIONS.name}: {error}{cure}; {effect}"))
        return account_key(account), frozenset()
    print(printable(f"ok     {account.name}: {quantity(len(regions), 'enabled Region')}"))
    return account_key(account), regions


async def _check_access(gateway: Gateway, cells: Sequence[Cell], failures: bool) -> int:
    results = await asyncio.gather(*(_check_cell(gateway, cell, failures) for cell in cells))
    by_account: dict[str, list[_CellCheck]] = {}
    for result in results:
        by_account.setdefault(result.cell.account.name, []).append(result)
    for name, of_account in by_account.items():
        for line in _account_lines(name, of_account):
            print(printable(line))
    return 1 if any(result.failure for result in results) else 0


def _account_lines(name: str, results: Sequence[_CellCheck]) -> Iterator[str]:
    """Yield the lines of an account: a single one if all of its cells fail for a reason that they share."""
    failures = {result.failure for result in results}
    if len(results) > 1 and len(failures) == 1 and all(result.is_shared for result in results):
        regions = len({result.cell.region for result in results})
        scope = f"all {quantity(len(results), 'cell')} in {quantity(regions, 'Region')}"
        yield f"FAILED {name}, {scope}: {results[0].message}"
        return
    for result in results:
        yield from result.lines()


async def _check_cell(gateway: Gateway, cell: Cell, failures: bool) -> _CellCheck:
    """Make all calls of a cell, and return their results, or the failure and its cure.

    ``failures``: the configuration shows failed items, so a missing permission for them is a failure, too.
    """
    try:
        api = await gateway.connect(cell.account, cell.region, cell.kind.name)
        if cell.account.role_arn:
            await api.call(IDENTITY)
    except ApiError as error:
        return _CellCheck(cell, f"cannot access the account: {error}", error.reason, is_shared=True)
    recorder = _CallRecorder(api)
    try:
        result, operations = await _call_each_api(recorder, cell)
    except ApiError as error:
        call = recorder.last
        cure = permission_hint(error, cell.kind.calls, gateway.models.iam_action)
        message = f"{call.name if call else 'call'}: {error}{cure}{_end_of_support(cell.kind)}"
        return _CellCheck(cell, message, error.reason, error.reason in SHARED_REASONS)
    missing = await _missing_for_failures(gateway, api, cell, operations)
    if failures and missing:
        return replace(result, message="; ".join(missing), failure=Reason.ACCESS_DENIED)
    hint = "; only the command failures needs it"
    return replace(result, warnings=tuple(f"{permission}{hint}" for permission in missing))


async def _missing_for_failures(
    gateway: Gateway, api: ScopeApi, cell: Cell, operations: Sequence[Operation]
) -> tuple[str, ...]:
    """Return the errors of permissions that are missing to find failed items. No refresh needs them.

    An operation with failed items is preferred, because the reasons of others cannot be read.
    """
    by_failures = sorted(operations, key=lambda operation: not cell.kind.item_counts(operation).failed)
    if not by_failures or cell.kind.failures is None:
        return ()
    try:
        problems = (await read_failures(api, with_only_id(cell, by_failures[0].id), (), 1)).problems
    except ApiError:
        # The operation has just been read, so this is no missing permission.
        return ()
    calls, action = cell.kind.failures.calls, gateway.models.iam_action
    hints = ((error, permission_hint(error, calls, action)) for error in problems)
    return tuple(f"{error.api}: {error}{hint}" for error, hint in hints if hint)


async def _call_each_api(api: _CallRecorder, cell: Cell) -> tuple[_CellCheck, Sequence[Operation]]:
    """Make each type of call, and describe each configured id. Raises ApiError, but not for an unknown id."""
    ids, results = list(cell.watch.ids), []
    if cell.watch.discover:
        discovery = cell.kind.discovery
        async for page in api.pages(discovery.call, **discovery.parameters):
            found = [entry.id for entry in discovery.entries(page)]
            ids = ids or found[:1]
            results.append(f"{len(found)} found on the first page of {discovery.call.name}")
            break
    read = [operation for operation in [await _operation(api, cell, id) for id in ids] if operation]
    if cell.tag_source and read:
        await cell.tag_source.read(api, read[0])
    known = [f"{operation.id} is {operation.status}" for operation in read]
    results += [names(known)] if known else []
    if not ids:
        calls = " and ".join(call.name for call in cell.kind.describe_calls)
        results.append(f"no operation to check {calls}")
    unknown = set(ids) - {operation.id for operation in read}
    message = ", ".join(results) or "no configured id is known"
    return _CellCheck(cell, message, unknown_ids=tuple(id for id in ids if id in unknown)), read


async def _operation(api: _CallRecorder, cell: Cell, id: str) -> Operation | None:
    """Return an operation, or None if AWS does not know it. Raises ApiError."""
    try:
        operation: Operation = await cell.kind.fetch(api, FetchRequest(id, cell.watch.options))
    except ApiError as error:
        if is_not_found(error, cell.kind.describe_calls):
            return None
        raise
    return operation


class _CallRecorder:
    """The API of a scope. It records the last call, which the message of a failure names."""

    def __init__(self, api: ScopeApi) -> None:
        self._api = api
        self.last: ApiCall | None = None

    async def call(self, call: ApiCall, **parameters: Any) -> Response:
        self.last = call
        return await self._api.call(call, **parameters)

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Response]:
        self.last = call
        async for page in self._api.pages(call, **parameters):
            yield page


def _end_of_support(kind: Kind[Any]) -> str:
    return f"; AWS ended its support on {kind.support_ended:%Y-%m-%d}" if kind.support_ended else ""


def _name(cell: Cell) -> str:
    return f"{cell.account.name} {cell.region} {cell.kind.name}"
