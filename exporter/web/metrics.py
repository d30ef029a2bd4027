"""What scrapes have in common, of all operations or of one: how long they wait, and how they are answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.web import responses
from exporter.web.negotiation import OPENMETRICS, TEXT, wants_openmetrics

_openmetrics: Callable[[CollectorRegistry], bytes] = generate_openmetrics

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
TIMEOUT_OFFSET = 0.5
"""Seconds of the scraper's time-out that are left for the answer's way back."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a scrape is answered with: all of one configuration, so that no answer mixes two."""

    store: Store
    exposition: Exposition
    registry: CollectorRegistry


async def exposed(metrics: Metrics, request: Request) -> Response:
    """Return the answer in the format and the encoding that the scraper prefers."""
    # In a thread: the text of 50,000 operations would hold up the health checks.
    return await run_in_threadpool(_answer, metrics, request)


def patience(request: Request) -> float | None:
    """Return the seconds that a scrape may wait, None where its header does not tell."""
    try:
        seconds = float(request.headers.get(TIMEOUT_HEADER, ""))
    except ValueError:
        return None
    return max(0.0, seconds - TIMEOUT_OFFSET) if math.isfinite(seconds) and seconds > 0 else None


def _answer(metrics: Metrics, request: Request) -> Response:
    openmetrics = wants_openmetrics(",".join(request.headers.getlist("Accept")))
    operations = metrics.exposition.parts(metrics.store.snapshots(), openmetrics)
    own = _openmetrics(metrics.registry) if openmetrics else generate_text(metrics.registry)
    headers = {"Content-Type": OPENMETRICS if openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
    return responses.in_parts(request, [*operations, own], headers)
