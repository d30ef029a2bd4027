"""The ASGI application: metrics, health and readiness. Other routes are passed to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporter.web.metrics import Metrics, metrics_response, scrape_timeout

# Refreshes the cells that are due, waits for so many seconds at most, and returns the metrics.
Refresh = Callable[[float | None], Awaitable[Metrics]]

# Responses that are rendered at the same time. Rendering uses a whole processor: more at once are not faster.
MAX_RENDERINGS = 2


def application(refresh: Refresh, metrics_path: str, more: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the ASGI application. If two routes have the same path, the metrics come first and ``more`` last."""
    renderings = asyncio.Semaphore(MAX_RENDERINGS)

    async def scrape(request: Request) -> Response:
        metrics = await refresh(scrape_timeout(request))
        async with renderings:
            return await metrics_response(metrics, request)

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def ready(request: Request) -> Response:
        return PlainTextResponse("ready\n")

    routes = [Route(metrics_path, scrape), Route("/-/healthy", healthy), Route("/-/ready", ready)]
    app = Starlette(routes=[*routes, *more])
    # A redirect would lead to any host that the client names.
    app.router.redirect_slashes = False
    return app
