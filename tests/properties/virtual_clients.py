"""Clients of an exporter in virtual time. Each must get its response before its time-out."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.support.asgi_client import AsgiResponse
from tests.support.virtual_loop import INSTANT, VirtualLoop

# Checks a response, with its time in virtual seconds.
ResponseCheck = Callable[[AsgiResponse, float], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A waiting request: its start, its time-out in seconds, and the check of its response."""

    task: asyncio.Task[tuple[AsgiResponse, float]]
    since: float
    patience: float
    check: ResponseCheck


@dataclass
class Clients:
    """All clients that wait for a response."""

    loop: VirtualLoop
    waiting: list[Request] = field(default_factory=list)

    def send(self, response: Coroutine[Any, Any, AsgiResponse], patience: float, check: ResponseCheck) -> None:
        """Send a request that must get its response within ``patience`` seconds."""

        async def timed() -> tuple[AsgiResponse, float]:
            return await response, self.loop.at

        self.waiting.append(Request(self.loop.create_task(timed()), self.loop.at, patience, check))

    def pass_time(self, seconds: float) -> None:
        """Let time pass and check each response when it arrives. Fail if it is late."""
        until = self.loop.at + seconds
        while self.loop.at < until:
            due = [request.since + request.patience + INSTANT for request in self.waiting]
            self.loop.pass_time(max(INSTANT, min([until, *due]) - self.loop.at))
            self._check_responses()

    def settle(self) -> None:
        """Run everything that does not wait for time to pass."""
        self.pass_time(INSTANT)

    def _check_responses(self) -> None:
        for request in tuple(self.waiting):
            if request.task.done():
                self.waiting.remove(request)
                request.check(*request.task.result())
            else:
                assert self.loop.at - request.since <= request.patience + 2 * INSTANT, "a client waits too long"
        assert self.loop.faults == []
