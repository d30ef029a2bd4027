"""/probe: the metrics of one operation, read on demand, as blackbox_exporter probes one target."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.collector.probe import Prober, ProbeResult, UnavailableError
from exporter.core.errors import QueryError
from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.metrics.self_metrics import FamilyCollector, probe_families
from exporter.web.api.query import ProbeQuery, read_query
from exporter.web.metrics import Metrics, metrics_response, scrape_timeout
from exporter.web.responses import DATA_HEADERS, text_response
from exporter.web.waiting import cancelled_on_disconnect


def probe_routes(current: Callable[[], Prober]) -> list[Route]:
    """Return the route of probes. ``current`` returns the prober of the current configuration."""

    async def probe(request: Request) -> Response:
        prober = current()
        try:
            query = read_query(ProbeQuery, request.query_params.multi_items())
            cell = prober.target(query.kind, [query.id], query.region, query.account)
            with cancelled_on_disconnect(request.scope):
                probed = await prober.probe(cell, scrape_timeout(request))
        except QueryError as error:
            return text_response(error.problems, 400)
        except UnavailableError as error:
            return text_response([str(error)], 503, {**DATA_HEADERS, "Retry-After": "1"})
        return await metrics_response(_metrics(prober, probed), request)

    return [Route("/probe", probe)]


def _metrics(prober: Prober, probed: ProbeResult) -> Metrics:
    registry = CollectorRegistry()
    registry.register(FamilyCollector(lambda: probe_families(probed.snapshot.reasons, probed.duration)))
    kind = probed.snapshot.key.kind
    return Metrics(Store([probed.snapshot]), Exposition({kind: prober.tables[kind]}), registry, probed.snapshot.causes)
