"""What the status page and the JSON are made of, and how both answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from exporter.kinds.kind import Kind
from exporter.metrics.summary import Overview

NO_PATIENCE = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """Where the lines come from: ``newest`` gives the overview that holds, and ``now`` Unix seconds."""

    kinds: Sequence[Kind[Any]]
    newest: Callable[[], Overview]
    refresh: Callable[[float | None], Awaitable[object]]
    now: Callable[[], float]

    def handler(self, answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that asks for what is due, waits for none of it, and answers with what is known."""

        async def handle(request: Request) -> Response:
            await self.refresh(NO_PATIENCE)
            # In a thread: a page of thousands of rows would hold up the health checks.
            return await run_in_threadpool(answer, request)

        return handle
