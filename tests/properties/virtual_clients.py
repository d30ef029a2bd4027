"""Clients of an exporter on virtual time: each gets its answer in the time that it has, and has a look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.support.asgi_client import AsgiResponse
from tests.support.virtual_loop import INSTANT, VirtualLoop

# Is told of an answer, and when it came in virtual seconds.
Look = Callable[[AsgiResponse, float], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that waits: since when, how long it may, and who looks at the answer."""

    task: asyncio.Task[tuple[AsgiResponse, float]]
    since: float
    patience: float
    look: Look


@dataclass
class Clients:
    """Every client that waits for an answer."""

    loop: VirtualLoop
    waiting: list[Request] = field(default_factory=list)

    def send(self, doing: Coroutine[Any, Any, AsgiResponse], patience: float, look: Look) -> None:
        """Send a request that is to be answered in so many seconds."""

        async def timed() -> tuple[AsgiResponse, float]:
            return await doing, self.loop.at

        self.waiting.append(Request(self.loop.create_task(timed()), self.loop.at, patience, look))

    def let(self, seconds: float) -> None:
        """Let time pass, and look at every answer when it comes. Fails where one is late."""
        until = self.loop.at + seconds
        while self.loop.at < until:
            due = [one.since + one.patience + INSTANT for one in self.waiting]
            self.loop.pass_time(max(INSTANT, min([until, *due]) - self.loop.at))
            self._look()

    def settle(self) -> None:
        """Let everything happen that waits for no time to pass."""
        self.let(INSTANT)

    def _look(self) -> None:
        for one in tuple(self.waiting):
            if one.task.done():
                self.waiting.remove(one)
                one.look(*one.task.result())
            else:
                assert self.loop.at - one.since <= one.patience + 2 * INSTANT, "a client waits too long"
        assert self.loop.faults == []
