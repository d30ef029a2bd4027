"""Answers that several kinds ask for: one call serves them all, and none gets the same answer twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any

from exporter.core.clock import Clock
from exporter.kinds.response import Answer


@dataclass(slots=True)
class _Asked:
    """A call that is under way or answered, since when (monotonic seconds), who has it, and how many wait for it."""

    answer: asyncio.Task[Answer]
    at: float
    readers: set[str] = field(default_factory=set)
    waiting: int = 0


class SharedAnswers:
    """Keeps answers for as long as they count as fresh, ``seconds`` after they were asked for."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._asked: dict[Hashable, _Asked] = {}

    async def get(self, key: Hashable, reader: str, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Return the answer to a question that another reader asked just now, or else ask. Raises what asking raises.

        A reader that asks again wants newer data. A failure is shared by those who waited for it, and by nobody later.
        A call that nobody waits for any more is given up: it would take a token from one that somebody wants.
        """
        now = self._clock.monotonic()
        known = self._asked.get(key)
        if known is None or reader in known.readers or not self._is_fresh(known, now):
            self._asked.pop(key, None)
            self._forget_old(now)
            known = self._asked[key] = _Asked(asyncio.create_task(ask()), now)
            known.answer.add_done_callback(_retrieved)
        known.readers.add(reader)
        known.waiting += 1
        try:
            # A reader that is cancelled must not take the answer from the others.
            return await asyncio.shield(known.answer)
        finally:
            known.waiting -= 1
            if not known.waiting and not known.answer.done():
                self._give_up(key, known)

    def _give_up(self, key: Hashable, known: _Asked) -> None:
        known.answer.cancel()
        if self._asked.get(key) is known:
            del self._asked[key]

    def _is_fresh(self, known: _Asked, now: float) -> bool:
        failed = known.answer.done() and (known.answer.cancelled() or known.answer.exception() is not None)
        return not failed and now - known.at < self._seconds

    def _forget_old(self, now: float) -> None:
        """Forget from the front: the oldest questions are the first of the dictionary."""
        for key in list(self._asked):
            known = self._asked[key]
            if now - known.at < self._seconds or not known.answer.done():
                return
            del self._asked[key]


def _retrieved(answer: asyncio.Task[Answer]) -> None:
    """Look at a failure that nobody waits for any more, or asyncio complains about it."""
    if not answer.cancelled():
        answer.exception()
