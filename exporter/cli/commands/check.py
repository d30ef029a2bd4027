"""``check`` validates the configuration and, with ``--live``, the access to AWS."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.app.runtime import watched_cells
from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import Models
from exporter.cli import flags
from exporter.cli.parser import CommandParser
from exporter.collector.cells import Cell
from exporter.config.loader import read_config
from exporter.config.strict_yaml import read_text
from exporter.config.validation import run_both
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason
from exporter.core.log import printable
from exporter.kinds.kind import ApiCall, FetchRequest, Kind
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Response
from exporter.metrics.self_metrics import ApiMetrics
from exporter.web.protection.config_file import read_web_config

# This call needs no permission. It fails only if the role cannot be assumed.
IDENTITY = ApiCall("sts", "GetCallerIdentity", quota=10)


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``check``."""
    flags.add_config_file(parser)
    flags.add_web_config_file(parser)
    parser.add_argument("--live", action="store_true", help="Make each type of API call once for each cell.")


def run(config_file: Path | None = None, web_config_file: Path | None = None, live: bool = False) -> int:
    """Print the cells and return 0, or 1 if a live call failed. Raises ConfigError."""
    (gateway, cells), _ = run_both(
        lambda: _read(config_file), lambda: web_config_file and read_web_config(web_config_file, read_text)
    )
    for cell in cells:
        if not gateway.is_offered(cell.kind, cell.region):
            fault = f"AWS does not offer {cell.kind.name} in {cell.region}; remove the kind or the Region"
            print(printable(f"warning: {cell.account.name}: {fault}"), file=sys.stderr)
    if live:
        return asyncio.run(_check_access(gateway, cells))
    for cell in cells:
        print(printable(f"{_name(cell)}: {_watched(cell)}"))
    accounts = _count(len({cell.account.name for cell in cells}), "account")
    subject = f"{config_file}: configuration" if config_file else "default configuration"
    print(f"{subject} is valid ({accounts}, {_count(len(cells), 'cell')})")
    if web_config_file:
        print(f"{web_config_file}: web configuration is valid")
    return 0


def _read(config_file: Path | None) -> tuple[Gateway, tuple[Cell, ...]]:
    config = read_config(config_file, KINDS)
    gateway = Gateway(Models(), config.aws, ApiMetrics(CollectorRegistry()), Clock())
    return gateway, watched_cells(config, KINDS, gateway)


async def _check_access(gateway: Gateway, cells: Sequence[Cell]) -> int:
    results = await asyncio.gather(*(_check_cell(gateway, cell) for cell in cells))
    for cell, (succeeded, message) in zip(cells, results, strict=True):
        print(printable(f"{'ok    ' if succeeded else 'FAILED'} {_name(cell)}: {message}"))
    return 0 if all(succeeded for succeeded, _ in results) else 1


async def _check_cell(gateway: Gateway, cell: Cell) -> tuple[bool, str]:
    """Return whether all calls succeeded, and their results or the failure and its cure."""
    try:
        api = await gateway.connect(cell.account, cell.region, cell.kind.name)
        if cell.account.role_arn:
            await api.call(IDENTITY)
    except ApiError as error:
        return False, f"cannot access the account: {error}"
    recorder = _CallRecorder(api)
    try:
        return True, await _call_each_api(recorder, cell)
    except ApiError as error:
        call = recorder.last
        cure = f"; needs the permission {gateway.models.iam_action(call)}" if call and _is_denied(error) else ""
        return False, f"{call.name if call else 'call'}: {error}{cure}{_end_of_support(cell.kind)}"


async def _call_each_api(api: _CallRecorder, cell: Cell) -> str:
    ids = list(cell.watch.ids[:1])
    results = []
    if cell.watch.discover:
        discovery = cell.kind.discovery
        async for page in api.pages(discovery.call, **discovery.parameters):
            found = [entry.id for entry in discovery.entries(page)]
            ids = ids or found[:1]
            results.append(f"{len(found)} found on the first page of {discovery.call.name}")
            break
    for id in ids:
        operation = await cell.kind.fetch(api, FetchRequest(id, cell.watch.options))
        if cell.tag_source:
            await cell.tag_source.read(api, operation)
        results.append(f"{id} is {operation.status}")
    if not ids:
        calls = " and ".join(call.name for call in cell.kind.describe_calls)
        results.append(f"no operation to check {calls}")
    return ", ".join(results)


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


def _is_denied(error: ApiError) -> bool:
    return error.reason is Reason.ACCESS_DENIED


def _name(cell: Cell) -> str:
    return f"{cell.account.name} {cell.region} {cell.kind.name}"


def _watched(cell: Cell) -> str:
    ids = _count(len(cell.watch.ids), "id") if cell.watch.ids else ""
    discovery = "discovery" if cell.watch.discover else ""
    return " and ".join(part for part in (ids, discovery) if part)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
