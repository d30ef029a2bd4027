"""The routes: what is answered at which path."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.exposition import Exposition
from exporter.store import Store
from exporter.web import respond
from exporter.web.negotiation import OPENMETRICS, TEXT, wants_openmetrics

_openmetrics: Callable[[CollectorRegistry], bytes] = generate_openmetrics

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET = 0.5
"""Seconds of the scraper's time-out that are left for the answer's way back."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What /metrics is made of."""

    store: Store
    exposition: Exposition
    registry: CollectorRegistry
    refresh: Callable[[float | None], Awaitable[None]]


def application(metrics: Metrics, metrics_path: str, more: Sequence[Route] = ()) -> Starlette:
    """Return the ASGI application. Of two routes with one path the metrics win, and what is ``more`` comes last."""

    async def scrape(request: Request) -> Response:
        await metrics.refresh(_timeout(request.headers.get(TIMEOUT_HEADER, "")))
        # In a thread: the text of 50,000 operations would hold up the health checks.
        return await run_in_threadpool(_answer, metrics, request)

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
        ]
    )


def _answer(metrics: Metrics, request: Request) -> Response:
    openmetrics = wants_openmetrics(",".join(request.headers.getlist("Accept")))
    operations = metrics.exposition.render(metrics.store.snapshots(), openmetrics)
    own = _openmetrics(metrics.registry) if openmetrics else generate_text(metrics.registry)
    headers = {"Content-Type": OPENMETRICS if openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
    return respond.answer(request, operations + own, headers)


def _timeout(header: str) -> float | None:
    """Return the seconds that a scrape may wait, None where its header does not tell."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    return max(0.0, seconds - TIMEOUT_OFFSET) if math.isfinite(seconds) and seconds > 0 else None
