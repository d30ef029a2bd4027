"""The routes: what is answered at which path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporter.web.metrics import Metrics, exposed, patience

Refreshed = Callable[[float | None], Awaitable[Metrics]]
"""Refreshes what is due, for so many seconds at the most, and gives what is known then."""

AT_ONCE = 2
"""Scrapes that are written at once. It takes a processor, so more of them make nobody's answer come sooner."""


def application(refreshed: Refreshed, metrics_path: str, more: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the ASGI application. Of two routes with one path the metrics win, and what is ``more`` comes last."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def scrape(request: Request) -> Response:
        metrics = await refreshed(patience(request))
        async with turns:
            return await exposed(metrics, request)

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def ready(request: Request) -> Response:
        return PlainTextResponse("ready\n")

    app = Starlette(
        routes=[
            Route(metrics_path, scrape),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            *more,
        ]
    )
    app.router.redirect_slashes = False  # it would lead to whatever host the client names
    return app
