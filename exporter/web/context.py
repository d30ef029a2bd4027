"""What the routes of the status page and of the JSON API share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from exporter.kinds.kind import Kind
from exporter.metrics.summary import Overview

WITHOUT_WAITING = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """Access to the current lines. ``overview`` returns those of the current configuration, ``now`` Unix seconds.

    ``refresh`` starts what is due and waits for so many seconds.
    """

    kinds: Sequence[Kind[Any]]
    overview: Callable[[], Overview]
    refresh: Callable[[float | None], Awaitable[object]]
    now: Callable[[], float]

    def handler(self, respond: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that starts a refresh of what is due, does not wait for it, and then responds."""

        async def handle(request: Request) -> Response:
            await self.refresh(WITHOUT_WAITING)
            # In a thread: a page of thousands of rows would delay the health checks.
            return await run_in_threadpool(respond, request)

        return handle
