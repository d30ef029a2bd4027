"""The data and the request handling that the status page and the JSON API share."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from exporter.kinds.kind import Kind
from exporter.metrics.summary import Overview
from exporter.web.waiting import in_turn

WITHOUT_WAITING = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """Functions of the running exporter, whose configuration may change.

    ``overview`` returns the current lines, ``now`` Unix seconds. ``refresh`` refreshes the cells that are due, and
    waits for so many seconds at most.
    """

    kinds: Sequence[Kind[Any]]
    overview: Callable[[], Overview]
    refresh: Callable[[float | None], Awaitable[object]]
    now: Callable[[], float]

    def handler(self, respond: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that starts a refresh, does not wait for it, and responds with the current data."""
        render = in_turn(respond)

        async def handle(request: Request) -> Response:
            await self.refresh(WITHOUT_WAITING)
            return await render(request)

        return handle
