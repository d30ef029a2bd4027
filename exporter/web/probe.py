"""/probe: one operation on demand, as blackbox_exporter and SNMP exporters answer for one target."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.collector.probe import BusyError, Probed, Prober
from exporter.core.errors import ConfigError
from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.metrics.self_metrics import ProbeCollector
from exporter.web import responses
from exporter.web.metrics import Metrics, exposed, patience

PARAMETERS = ("kind", "id", "region", "account")


def probe_routes(current: Callable[[], Prober]) -> list[Route]:
    """Return the route of probes; ``current`` gives the prober of the configuration that holds now."""

    async def probe(request: Request) -> Response:
        prober = current()
        try:
            asked = _parameters(request)
            cell = prober.scopes.cell(asked["kind"], [asked["id"]], asked["region"], asked["account"])
            probed = await prober.probe(cell, patience(request))
        except ConfigError as error:
            return responses.lines(error.problems, 400)
        except BusyError as error:
            return responses.lines([str(error)], 503, {**responses.DATA, "Retry-After": "1"})
        return await exposed(_metrics(prober, probed), request)

    return [Route("/probe", probe)]


def _parameters(request: Request) -> Mapping[str, str]:
    """Return the value of each parameter, empty where it is missing. Raises ConfigError, which quotes none."""
    query = request.query_params
    repeated = [name for name in PARAMETERS if len(query.getlist(name)) > 1]
    problems = [f"{name}: stands there more than once" for name in repeated]
    if not set(query) <= set(PARAMETERS):
        problems.append(f"a parameter is none of {', '.join(PARAMETERS)}")
    if problems:
        raise ConfigError(problems)
    return {name: query.get(name, "") for name in PARAMETERS}


def _metrics(prober: Prober, probed: Probed) -> Metrics:
    registry = CollectorRegistry()
    registry.register(ProbeCollector(probed.reasons, probed.duration))
    kind = probed.snapshot.key.kind
    return Metrics(Store([probed.snapshot]), Exposition({kind: prober.tables[kind]}), registry)
