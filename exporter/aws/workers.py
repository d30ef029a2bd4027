"""Threads for calls that block: boto3 has no asynchronous calls, and no time-out for a whole call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from exporter.core.errors import ApiError, Reason

T = TypeVar("T")


def in_a_thread(call: Callable[[], None]) -> None:
    """Start a call in a thread of its own. Raises RuntimeError where no thread is left."""
    threading.Thread(target=call, name="aws-call", daemon=True).start()


class Workers:
    """Up to ``limit`` calls at once, for one cell: what hangs there takes no thread from another cell.

    A call that misses its deadline is abandoned: nothing can stop its thread. It gives up its place, so that calls go
    on as soon as AWS is well again, unless ``limit`` others are abandoned already. The threads are daemons, so none of
    them delays the end of the process. ``begin`` starts a call apart from the event loop.
    """

    def __init__(self, limit: int, begin: Callable[[Callable[[], None]], None] = in_a_thread) -> None:
        self._limit = limit
        self._begin = begin
        self._places = asyncio.Semaphore(limit)
        self._placed: set[asyncio.Future[Any]] = set()
        self._running: set[asyncio.Future[Any]] = set()

    @property
    def abandoned(self) -> int:
        """How many calls go on although nobody waits for them."""
        return sum(future.cancelled() for future in self._running)

    @property
    def has_place(self) -> bool:
        """Whether a call would be made at once."""
        return not self._places.locked()

    async def place(self, deadline: float) -> None:
        """Return when there is a place. Raises ApiError(TIMEOUT) after ``deadline`` seconds."""
        await _within(deadline, self._places.acquire(), "every worker of the cell hangs")
        self._places.release()

    async def run(self, function: Callable[[], T], deadline: float) -> T:
        """Return what the function gives, from a thread. Raises ApiError(TIMEOUT) after ``deadline`` seconds."""
        await _within(deadline, self._places.acquire(), "every worker of the cell hangs")
        future = self._start(function)
        try:
            return await _within(deadline, future, "the call took longer than its deadline")
        finally:
            if future.cancelled() and self.abandoned <= self._limit:
                self._leave(future)

    def _start(self, function: Callable[[], T]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._running.add(future)
        self._placed.add(future)
        try:
            self._begin(partial(self._work, function, future))
        except RuntimeError:
            self._finish(future, partial(future.set_exception, ApiError(Reason.OTHER, detail="no thread is left")))
        return future

    def _work(self, function: Callable[[], T], future: asyncio.Future[T]) -> None:
        try:
            outcome = partial(future.set_result, function())
        except Exception as error:
            outcome = partial(future.set_exception, error)
        try:
            future.get_loop().call_soon_threadsafe(self._finish, future, outcome)
        except RuntimeError:
            return  # the loop ended before the call did

    def _finish(self, future: asyncio.Future[T], outcome: Callable[[], None]) -> None:
        self._leave(future)
        self._running.discard(future)
        if not future.cancelled():
            outcome()

    def _leave(self, future: asyncio.Future[Any]) -> None:
        if future in self._placed:
            self._placed.remove(future)
            self._places.release()


async def _within(seconds: float, waiting: Awaitable[T], detail: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await waiting
    except TimeoutError:
        raise ApiError(Reason.TIMEOUT, detail=detail) from None
