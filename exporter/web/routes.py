"""The ASGI application: metrics, health and readiness. Other routes are passed to it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from exporter.core.errors import ConfigError
from exporter.web.api.problems import error_response
from exporter.web.external_address import ExternalAddress
from exporter.web.limits import MAX_RENDERINGS
from exporter.web.metrics import Metrics, metrics_response, scrape_timeout
from exporter.web.waiting import cancelled_on_disconnect, turn

STATUS_PAGE = "/"

# Refreshes the cells that are due, waits for so many seconds at most, and returns the metrics.
Refresh = Callable[[float | None], Awaitable[Metrics]]


def text_route(path: str, handle: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return a route whose parameters match any text. Those of Starlette match no line break."""
    route = Route(path, handle)
    route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
    return route


def check_metrics_path(metrics_path: str, routes: Sequence[BaseRoute]) -> None:
    """Raise ConfigError if the metrics would hide a route. They may replace the status page."""
    others = [route for route in routes if isinstance(route, Route) and route.path != STATUS_PAGE]
    if any(route.path_regex.match(metrics_path) for route in others):
        fault = f"the exporter uses {metrics_path} for another page; choose another path such as /metrics"
        raise ConfigError([f"--web.telemetry-path: {fault}"])


def application(
    refresh: Refresh,
    metrics_path: str,
    more: Sequence[BaseRoute] = (),
    address: ExternalAddress = ExternalAddress(),
) -> Starlette:
    """Return the ASGI application. If two routes have the same path, the metrics come first and ``more`` last.

    All routes are below the prefix of ``address``.
    """
    renderings = asyncio.Semaphore(MAX_RENDERINGS)

    async def scrape(request: Request) -> Response:
        with cancelled_on_disconnect(request.scope):
            metrics = await refresh(scrape_timeout(request))
        async with turn(renderings, request.scope):
            return await metrics_response(metrics, request)

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def ready(request: Request) -> Response:
        return PlainTextResponse("ready\n")

    routes = [Route(metrics_path, scrape), Route("/-/healthy", healthy), Route("/-/ready", ready), *more]

    async def fail(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, HTTPException) else HTTPException(500)
        return error_response(request, known.status_code, known.detail, known.headers, address.prefix)

    app = Starlette(
        routes=_below_prefix(routes, address) if address.prefix else routes,
        exception_handlers={HTTPException: fail, Exception: fail},
    )
    # A redirect would lead to any host that the client names.
    app.router.redirect_slashes = False
    return app


def _below_prefix(routes: Sequence[BaseRoute], address: ExternalAddress) -> list[BaseRoute]:
    async def redirect(request: Request) -> Response:
        query = request.url.query
        # Not a permanent redirect, because browsers would keep it when the flags change.
        return RedirectResponse(f"{address.prefix}/" + (f"?{query}" if query else ""), 302)

    below = Mount(address.prefix, app=Router(routes, redirect_slashes=False))
    return [Route("/", redirect), Route(address.prefix, redirect), below]
