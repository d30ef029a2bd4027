"""Waits of a request that end when its client disconnects."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.types import Scope

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
