"""The routes: what is answered at which path."""

from __future__ import annotations

import gzip
import html
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter import __version__
from exporter.exposition import Exposition
from exporter.store import Store
from exporter.web.negotiation import OPENMETRICS, TEXT, accepts_gzip, wants_openmetrics

_openmetrics: Callable[[CollectorRegistry], bytes] = generate_openmetrics

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET = 0.5
"""Seconds of the scraper's time-out that are left for the answer's way back."""
LEVEL = 1
"""gzip's fastest level: a scrape is read once, on a fast network."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What /metrics is made of."""

    store: Store
    exposition: Exposition
    registry: CollectorRegistry
    refresh: Callable[[float | None], Awaitable[None]]


def application(metrics: Metrics, metrics_path: str) -> Starlette:
    """Return the ASGI application."""

    async def scrape(request: Request) -> Response:
        await metrics.refresh(_timeout(request.headers.get(TIMEOUT_HEADER, "")))
        # In a thread: the text of 50,000 operations would hold up the health checks.
        return await run_in_threadpool(_answer, metrics, request)

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
            *([Route("/", landing)] if metrics_path != "/" else []),
        ]
    )


def _answer(metrics: Metrics, request: Request) -> Response:
    openmetrics = wants_openmetrics(",".join(request.headers.getlist("Accept")))
    operations = metrics.exposition.render(metrics.store.snapshots(), openmetrics)
    own = _openmetrics(metrics.registry) if openmetrics else generate_text(metrics.registry)
    headers = {"Content-Type": OPENMETRICS if openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
    body = operations + own
    if accepts_gzip(",".join(request.headers.getlist("Accept-Encoding"))):
        body = gzip.compress(body, LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)


def _timeout(header: str) -> float | None:
    """Return the seconds that a scrape may wait, None where its header does not tell."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    return max(0.0, seconds - TIMEOUT_OFFSET) if math.isfinite(seconds) and seconds > 0 else None


def _landing_page(metrics_path: str) -> str:
    path = html.escape(metrics_path, quote=True)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AWS IoT bulk exporter</title></head>'
        f"<body><h1>AWS IoT bulk exporter</h1><p>Version {html.escape(__version__)}</p>"
        f'<ul><li><a href="{path}">Metrics</a></li><li><a href="/-/healthy">Healthy</a></li>'
        '<li><a href="/-/ready">Ready</a></li></ul></body></html>'
    )
