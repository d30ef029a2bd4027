"""Calls on demand that wait behind the calls of all cells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any

from exporter.collector.operation_reader import CellApi
from exporter.core.clock import NEVER
from exporter.core.model import Scope
from exporter.kinds.kind import ApiCall, Content, FailureApi
from exporter.kinds.response import Response

# The first part of a call's priority. Cells use smaller values, so their calls go first.
LOWEST_PRIORITY = 2


class LowestPriorityApi:
    """A scope's API whose calls wait behind those of all cells, so that requests on demand cannot delay refreshes.

    It shares no response with a cell. The cell would wait as long as the request.
    """

    def __init__(self, api: CellApi, since: float = NEVER) -> None:
        self._api = api
        self._since = since
        self.scope: Scope = api.scope

    def with_priority(self, priority: tuple[int, float]) -> LowestPriorityApi:
        """Return the same API. Only the second part of the priority is used."""
        return LowestPriorityApi(self._api, priority[1])

    async def call(self, call: ApiCall, **parameters: Any) -> Response:
        """Return the response to one call. Raises ApiError."""
        return await self._low_priority_api().call(replace(call, shared=False), **parameters)

    def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Response]:
        """Yield the pages of a list. Raises ApiError."""
        return self._low_priority_api().pages(call, **parameters)

    async def file(self, link: str, read: Callable[[Iterable[bytes]], Content]) -> Content:
        """Return what ``read`` makes of the chunks of a file. Raises ApiError."""
        return await self._low_priority_api().file(link, read)

    def _low_priority_api(self) -> FailureApi:
        return self._api.with_priority((LOWEST_PRIORITY, self._since))
