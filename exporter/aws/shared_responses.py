"""Responses that several kinds need: one call serves all of them, and each reads a response at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any

from exporter.core.clock import Clock
from exporter.kinds.response import Response


@dataclass(slots=True)
class _SharedCall:
    """A call that is running or done, when it started (monotonic seconds), its readers, and how many of them wait."""

    task: asyncio.Task[Response]
    started: float
    readers: set[str] = field(default_factory=set)
    waiting: int = 0


class SharedResponses:
    """Keeps each response for ``seconds`` after its call started."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._calls: dict[Hashable, _SharedCall] = {}

    async def get(self, key: Hashable, reader: str, call: Callable[[], Coroutine[Any, Any, Response]]) -> Response:
        """Return the fresh response of another reader's call, or make the call. Raises what the call raises.

        A reader that calls again wants newer data. A failure is shared with the readers that wait for it, not with
        later ones. A call is cancelled when no reader waits for it any more, so that it takes no token of the budget.
        """
        now = self._clock.monotonic()
        shared = self._calls.get(key)
        if shared is None or reader in shared.readers or not self._is_fresh(shared, now):
            self._calls.pop(key, None)
            self._remove_old(now)
            shared = self._calls[key] = _SharedCall(asyncio.create_task(call()), now)
            shared.task.add_done_callback(_retrieve_exception)
        shared.readers.add(reader)
        shared.waiting += 1
        try:
            # The cancellation of one reader must not cancel the call of the others.
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.task.done():
                self._cancel(key, shared)

    def _cancel(self, key: Hashable, shared: _SharedCall) -> None:
        shared.task.cancel()
        if self._calls.get(key) is shared:
            del self._calls[key]

    def _is_fresh(self, shared: _SharedCall, now: float) -> bool:
        task = shared.task
        has_failed = task.done() and (task.cancelled() or task.exception() is not None)
        return not has_failed and now - shared.started < self._seconds

    def _remove_old(self, now: float) -> None:
        # The dictionary is in the order of the calls: the oldest ones are first.
        for key, shared in list(self._calls.items()):
            if now - shared.started < self._seconds or not shared.task.done():
                return
            del self._calls[key]


def _retrieve_exception(task: asyncio.Task[Response]) -> None:
    # Otherwise asyncio logs a failure that no reader waits for.
    if not task.cancelled():
        task.exception()
