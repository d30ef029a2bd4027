"""The response to a scrape of all operations or of one, and how long a scrape may take."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from exporter.core.log import printable
from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.web.responses import OPENMETRICS, TEXT, negotiated_response, wants_openmetrics

_openmetrics: Callable[[CollectorRegistry], bytes] = generate_openmetrics

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
# Seconds. A longer time-out of a client is reduced to this.
MAX_TIMEOUT = 300.0
# Seconds of the scrape time-out that remain for sending the response.
TIMEOUT_OFFSET = 0.5


@dataclass(frozen=True, slots=True)
class Metrics:
    """The parts of one scrape. All belong to one configuration, so that no response mixes two.

    ``comments`` are for people. Only the text format has comments.
    """

    store: Store
    exposition: Exposition
    registry: CollectorRegistry
    comments: Sequence[str] = ()


async def metrics_response(metrics: Metrics, request: Request) -> Response:
    """Return the metrics in the format and the encoding that the client prefers."""
    # In a thread: rendering 50,000 operations would delay the health checks.
    return await run_in_threadpool(_render, metrics, request)


def scrape_timeout(request: Request) -> float | None:
    """Return the seconds that a scrape may wait for a refresh, or None if its header is missing or invalid."""
    try:
        seconds = float(request.headers.get(TIMEOUT_HEADER, ""))
    except ValueError:
        return None
    return max(0.0, min(seconds, MAX_TIMEOUT) - TIMEOUT_OFFSET) if math.isfinite(seconds) and seconds > 0 else None


def _render(metrics: Metrics, request: Request) -> Response:
    openmetrics = wants_openmetrics(",".join(request.headers.getlist("Accept")))
    operations = metrics.exposition.parts(metrics.store.snapshots(), openmetrics)
    comments = "".join(f"# {printable(comment)}\n" for comment in metrics.comments).encode()
    own = _openmetrics(metrics.registry) if openmetrics else generate_text(metrics.registry) + comments
    headers = {"Content-Type": OPENMETRICS if openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
    return negotiated_response(request, [*operations, own], headers)
