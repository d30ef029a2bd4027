"""Waits of a request that end when its client disconnects, and renderings that wait for their turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Concatenate, ParamSpec

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from exporter.web.limits import MAX_RENDERINGS

Parameters = ParamSpec("Parameters")

# The key of the state of a connection. Its value is the set of tasks to cancel when the client disconnects.
WAITING = "waiting"


@contextmanager
def cancelled_on_disconnect(scope: Scope) -> Iterator[None]:
    """Cancel the request of a scope if its client disconnects while the block runs.

    Otherwise many clients that connect, request and disconnect would leave their requests in memory. The block must not
    wait for a thread: the thread would continue without its limit.
    """
    waiting: set[asyncio.Task[Any] | None] = scope.get("state", {}).get(WAITING, set())
    task = asyncio.current_task()
    waiting.add(task)
    try:
        yield
    finally:
        waiting.discard(task)


@asynccontextmanager
async def turn(limit: asyncio.Semaphore, scope: Scope) -> AsyncIterator[None]:
    """Wait for one of the turns of a semaphore, as long as the client is connected, and use it for the block."""
    with cancelled_on_disconnect(scope):
        await limit.acquire()
    try:
        yield
    finally:
        limit.release()


def in_turn(
    respond: Callable[Concatenate[Request, Parameters], Response],
) -> Callable[Concatenate[Request, Parameters], Awaitable[Response]]:
    """Return a handler that calls ``respond`` in a thread, for a limited number of requests at the same time."""
    renderings = asyncio.Semaphore(MAX_RENDERINGS)

    async def handle(request: Request, /, *args: Parameters.args, **named: Parameters.kwargs) -> Response:
        # In a thread: a page of thousands of rows would delay the health checks. Many renderings at once would keep
        # scrapes from the threads.
        async with turn(renderings, request.scope):
            return await run_in_threadpool(respond, request, *args, **named)

    return handle
