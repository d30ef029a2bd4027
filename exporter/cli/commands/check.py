"""``check``: is the configuration right, and, with ``--live``, does AWS let us in?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.aws.gateway import Gateway, ScopeApi
from exporter.aws.models import Models
from exporter.collector.cells import Cell, cells_of
from exporter.config.loader import read_config
from exporter.config.strict_yaml import read_text
from exporter.config.validation import both
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason
from exporter.core.log import printable
from exporter.kinds.kind import ApiCall, FetchRequest, Kind
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Answer
from exporter.metrics.self_metrics import ApiMetrics
from exporter.web.protection.config_file import read_web_config

IDENTITY = ApiCall("sts", "GetCallerIdentity", quota=10)
"""Needs no permission, but the role: a role that may not be assumed is told from a permission that it lacks."""


def run(config_file: Path | None, web_config_file: Path | None, live: bool) -> int:
    """Print what is watched and return 0; with ``live`` 1 if a call was refused. Raises ConfigError."""
    (gateway, cells), _ = both(
        lambda: _read(config_file), lambda: web_config_file and read_web_config(web_config_file, read_text)
    )
    if live:
        return asyncio.run(_ask_all(gateway, cells))
    for cell in cells:
        print(printable(f"{_name(cell)}: {_watched(cell)}"))
    print(f"{config_file or 'the default configuration'} is right")
    if web_config_file:
        print(f"{web_config_file} is right")
    return 0


def _read(config_file: Path | None) -> tuple[Gateway, tuple[Cell, ...]]:
    config = read_config(config_file, KINDS)
    gateway = Gateway(Models(), config.aws, ApiMetrics(CollectorRegistry()), Clock())
    return gateway, cells_of(config, KINDS, gateway.default_region)


async def _ask_all(gateway: Gateway, cells: tuple[Cell, ...]) -> int:
    results = await asyncio.gather(*(_ask(gateway, cell) for cell in cells))
    for cell, (fine, said) in zip(cells, results, strict=True):
        print(printable(f"{'ok    ' if fine else 'FAILED'} {_name(cell)}: {said}"))
    return 0 if all(fine for fine, _ in results) else 1


async def _ask(gateway: Gateway, cell: Cell) -> tuple[bool, str]:
    try:
        api = await gateway.connect(cell.account, cell.region, cell.kind.name)
        if cell.account.role_arn:
            await api.call(IDENTITY)
    except ApiError as error:
        refused = cell.account.role_arn and _is_denied(error)
        hint = "; needs sts:AssumeRole, and the role's trust policy must let it" if refused else ""
        return False, f"no way into the account, {_why(error)}{hint}"
    watched = _Watched(api)
    try:
        return True, await _touch(watched, cell)
    except ApiError as error:
        asked = watched.last
        needs = f"; needs the permission {gateway.models.iam_action(asked)}" if asked and _is_denied(error) else ""
        return False, f"{asked.name if asked else 'call'}: {_why(error)}{needs}{_past(cell.kind)}"


async def _touch(api: _Watched, cell: Cell) -> str:
    """Make each kind of call that the cell will make, once."""
    ids = list(cell.watch.ids[:1])
    said = []
    if cell.watch.discover:
        discovery = cell.kind.discovery
        async for page in api.pages(discovery.call, **discovery.parameters):
            found = [entry.id for entry in discovery.entries(page)]
            ids = ids or found[:1]
            said.append(f"{len(found)} found on the first page of {discovery.call.name}")
            break
    for id in ids:
        operation = await cell.kind.fetch(api, FetchRequest(id, cell.watch.options))
        if cell.tag_source:
            await cell.tag_source.read(api, operation)
        said.append(f"{id} is {operation.status}")
    if not ids:
        said.append(f"nothing there to try {' and '.join(call.name for call in cell.kind.describes)} with")
    return ", ".join(said)


class _Watched:
    """The scope's API, remembering the call that was made last, so that a refusal can be named."""

    def __init__(self, api: ScopeApi) -> None:
        self._api = api
        self.last: ApiCall | None = None

    async def call(self, call: ApiCall, **parameters: Any) -> Answer:
        self.last = call
        return await self._api.call(call, **parameters)

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Answer]:
        self.last = call
        async for page in self._api.pages(call, **parameters):
            yield page


def _past(kind: Kind[Any]) -> str:
    return f"; AWS ended its support on {kind.support_ended:%Y-%m-%d}" if kind.support_ended else ""


def _is_denied(error: ApiError) -> bool:
    return error.reason is Reason.ACCESS_DENIED


def _why(error: ApiError) -> str:
    return f"{error.reason.value} ({error.detail or error.code})"


def _name(cell: Cell) -> str:
    return f"{cell.account.name} {cell.region} {cell.kind.name}"


def _watched(cell: Cell) -> str:
    found = "what is discovered" if cell.watch.discover else ""
    named = f"{len(cell.watch.ids)} ids" if cell.watch.ids else ""
    return " and ".join(part for part in (named, found) if part)
