"""Threads for calls to AWS: boto3 has no asynchronous calls, and no time-out for a whole call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from exporter.aws.errors import translate
from exporter.core.errors import ApiError, Reason
from exporter.core.thread import Start, start_call, start_thread

T = TypeVar("T")
# Returns the error for a call that hangs now, or None if its cause is unknown.
TimeoutCause = Callable[[], ApiError | None]


def no_cause() -> None:
    """Return no error."""


class Workers:
    """Runs up to ``limit`` calls of one cell at the same time, so that no cell uses up the threads of another cell.

    A call that misses its deadline is abandoned, because a thread cannot be stopped. It then frees its slot, so that
    other calls continue as soon as AWS responds again. But at most ``limit`` abandoned calls free their slots.
    """

    def __init__(self, limit: int, start: Start = start_thread) -> None:
        self._limit = limit
        self._start_thread = start
        # A semaphore would count as locked while any call waits for it. Waiting calls would then wait for each other.
        self._free_slot = asyncio.Event()
        self._free_slot.set()
        self._with_slot: set[asyncio.Future[Any]] = set()
        self._running: set[asyncio.Future[Any]] = set()

    @property
    def abandoned(self) -> int:
        """The number of abandoned calls that are still running."""
        return sum(future.cancelled() for future in self._running)

    @property
    def is_idle(self) -> bool:
        """Whether no call is running, not even an abandoned one."""
        return not self._running

    @property
    def has_free_slot(self) -> bool:
        """Whether a call would start at once."""
        return self._free_slot.is_set()

    async def wait_for_slot(self, deadline: float, cause: TimeoutCause = no_cause) -> None:
        """Wait until a slot is free. Raises ApiError after ``deadline`` seconds, as ``run`` does."""
        if not self.has_free_slot:
            await _result_within(deadline, self._wait_until_free(), "all calls of the cell hang", cause)

    async def run(self, function: Callable[[], T], deadline: float, cause: TimeoutCause = no_cause) -> T:
        """Return the result of a blocking function. Raises ApiError.

        After ``deadline`` seconds, the error is that of ``cause``. Its default is TIMEOUT.
        """
        await self.wait_for_slot(deadline, cause)
        future = self._start(function)
        try:
            return await _result_within(deadline, future, "the call took longer than its deadline", cause)
        except Exception as error:
            raise translate(error) from None
        finally:
            if future.cancelled() and self.abandoned <= self._limit:
                self._release_slot(future)

    async def _wait_until_free(self) -> None:
        # Another call can take the slot before this one continues.
        while not self.has_free_slot:
            await self._free_slot.wait()

    def _note_slots(self) -> None:
        if len(self._with_slot) < self._limit:
            self._free_slot.set()
        else:
            self._free_slot.clear()

    def _start(self, function: Callable[[], T]) -> asyncio.Future[T]:
        try:
            future = start_call(function, self._end, self._start_thread)
        except RuntimeError:
            raise ApiError(Reason.OTHER, detail="cannot start a thread") from None
        self._running.add(future)
        self._with_slot.add(future)
        self._note_slots()
        return future

    def _end(self, future: asyncio.Future[Any]) -> None:
        self._release_slot(future)
        self._running.discard(future)

    def _release_slot(self, future: asyncio.Future[Any]) -> None:
        if future in self._with_slot:
            self._with_slot.remove(future)
            self._note_slots()


async def _result_within(seconds: float, awaitable: Awaitable[T], timeout_detail: str, cause: TimeoutCause) -> T:
    known = None
    try:
        async with asyncio.timeout(seconds):
            try:
                return await awaitable
            except asyncio.CancelledError:
                # After the cancellation, the thread may read another source.
                known = cause()
                raise
    except TimeoutError:
        raise known or ApiError(Reason.TIMEOUT, detail=timeout_detail) from None
