"""The data and the request handling that the status page and the JSON API share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from exporter.kinds.kind import Kind
from exporter.metrics.summary import Overview
from exporter.web.limits import MAX_RENDERINGS
from exporter.web.waiting import turn

WITHOUT_WAITING = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """Functions of the running exporter, whose configuration may change.

    ``overview`` returns the current lines, ``now`` Unix seconds. ``refresh`` refreshes the cells that are due, and
    waits for so many seconds at most.
    """

    kinds: Sequence[Kind[Any]]
    overview: Callable[[], Overview]
    refresh: Callable[[float | None], Awaitable[object]]
    now: Callable[[], float]

    def handler(self, respond: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that starts a refresh, does not wait for it, and responds with the current data."""
        renderings = asyncio.Semaphore(MAX_RENDERINGS)

        async def handle(request: Request) -> Response:
            await self.refresh(WITHOUT_WAITING)
            # In a thread: a page of thousands of rows would delay the health checks. Many pages at once would keep
            # scrapes from the threads.
            async with turn(renderings, request.scope):
                return await run_in_threadpool(respond, request)

        return handle
