"""The routes: what is answered at which path."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporter import __version__
from exporter.web.scraping import Metrics, exposed, patience

Refreshed = Callable[[float | None], Awaitable[Metrics]]
"""Refreshes what is due, for so many seconds at the most, and gives what is known then."""


def application(refreshed: Refreshed, metrics_path: str, more: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the ASGI application, with ``more`` routes than those of metrics and health."""

    async def scrape(request: Request) -> Response:
        return await exposed(await refreshed(patience(request)), request)

    async def landing(request: Request) -> Response:
        return HTMLResponse(_landing_page(metrics_path))

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    async def ready(request: Request) -> Response:
        return PlainTextResponse("ready\n")

    return Starlette(
        routes=[
            Route(metrics_path, scrape),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            *more,
            *([Route("/", landing)] if metrics_path != "/" else []),
        ]
    )


def _landing_page(metrics_path: str) -> str:
    path = html.escape(metrics_path, quote=True)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AWS IoT bulk exporter</title></head>'
        f"<body><h1>AWS IoT bulk exporter</h1><p>Version {html.escape(__version__)}</p>"
        f'<ul><li><a href="{path}">Metrics</a></li><li><a href="/-/healthy">Healthy</a></li>'
        '<li><a href="/-/ready">Ready</a></li></ul></body></html>'
    )
