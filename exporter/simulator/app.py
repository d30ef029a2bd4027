"""The simulator as an ASGI application."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.aws.models import STS, Models
from exporter.kinds.kind import Kind
from exporter.simulator.account_management import AccountManagement
from exporter.simulator.api_request import ApiRequest
from exporter.simulator.callers import Caller, identify, invalid_token
from exporter.simulator.delivery import deliver
from exporter.simulator.faults import FaultSelector, edited_response, replacement_response, skew_error, with_delivery
from exporter.simulator.fleet import Fleet
from exporter.simulator.http_messages import NORMAL, AwsError, HttpRequest, HttpResponse, json_1_1_error, json_error
from exporter.simulator.organizations import Organizations
from exporter.simulator.quota import Quotas
from exporter.simulator.rest import Rest
from exporter.simulator.scenario import ACCOUNT, ORGANIZATIONS, Fault, Scenario
from exporter.simulator.sts import Sts, xml_error

# Formats an error before the API of a request is known.
ErrorFormat = Callable[[AwsError], HttpResponse]


class Service(Protocol):
    """A simulated service."""

    def api_request(self, request: HttpRequest, caller: Caller) -> ApiRequest:
        """Return the request with its target. Raises AwsError for an API that is not simulated."""


def application(
    scenario: Scenario,
    kinds: Sequence[Kind[Any]],
    models: Models,
    now: Callable[[], float] = time.time,
) -> ASGIApp:
    """Return the simulated AWS. The scenario begins immediately, and ``now`` returns Unix seconds.

    The responses depend only on the scenario, the time, and the calls that quotas and faults have counted.
    """
    # The default of the router gets every request. A route of Starlette does not match a path with a line break.
    return Router(default=_Simulator(scenario, kinds, models, now))


class _Simulator:
    def __init__(
        self, scenario: Scenario, kinds: Sequence[Kind[Any]], models: Models, now: Callable[[], float]
    ) -> None:
        self._scenario = scenario
        self._now = now
        self._started = now()
        self._faults = FaultSelector(scenario.faults)
        self._accounts = scenario.every_account
        quotas = Quotas() if scenario.quotas else None
        fleet = Fleet(scenario.operations, kinds, self._started)
        self._rest = Rest(kinds, models, fleet, quotas)
        self._default: tuple[Service, ErrorFormat] = (self._rest, json_error)
        # The services that have a protocol or data of their own, by their signing names.
        organizations = Organizations(scenario.organizations, models, quotas, self._started)
        self._regions = AccountManagement(scenario.opt_in_regions, organizations, models, quotas)
        self._services: dict[str, tuple[Service, ErrorFormat]] = {
            STS: (Sts(scenario, models.operations(STS)), xml_error),
            ORGANIZATIONS: (organizations, json_1_1_error),
            ACCOUNT: (self._regions, json_error),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(await _http_request(Request(scope, receive)))
        if response.delivery == NORMAL:
            sent = Response(response.body, response.status, response.headers, response.content_type)
            await sent(scope, receive, send)
        else:
            await deliver(response, receive, send)

    async def _respond(self, request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(self._scenario.latency)
        if request.method == "GET" and (file_request := self._rest.file_request(request.path)):
            return await self._response(*file_request, request)
        error_response = _protocol_error(request)
        try:
            caller = identify(request.headers, self._accounts, self._now())
            service, error_response = self._services.get(caller.signing_name, self._default)
            if not self._regions.accepts_calls(caller.account, caller.region):
                raise invalid_token()
            api_request = service.api_request(request, caller)
        except AwsError as error:
            return error_response(error)
        return await self._response(caller, api_request, request)

    async def _response(self, caller: Caller, api_request: ApiRequest, request: HttpRequest) -> HttpResponse:
        fault = self._faults.select(caller, api_request.target, self._now() - self._started)
        if fault is None:
            return self._normal_response(api_request, caller)
        await asyncio.sleep(fault.delay)
        return with_delivery(fault, self._faulty_response(fault, api_request, caller, request))

    def _normal_response(self, api_request: ApiRequest, caller: Caller) -> HttpResponse:
        try:
            return api_request.respond(caller, self._now())
        except AwsError as error:
            return api_request.error_response(error)

    def _faulty_response(
        self, fault: Fault, api_request: ApiRequest, caller: Caller, request: HttpRequest
    ) -> HttpResponse:
        if fault.error is not None:
            return api_request.error_response(AwsError(fault.error, fault.status or 400, fault.message))
        if fault.skew is not None:
            return api_request.error_response(skew_error(request.headers.get("x-amz-date", ""), fault.skew))
        if fault.pages is not None:
            api_request = api_request.as_endless_list(fault.pages)
        return replacement_response(fault) or edited_response(fault, self._normal_response(api_request, caller))


def _protocol_error(request: HttpRequest) -> ErrorFormat:
    """Return the format of an error before the caller is known. No service with rest-json uses the path /."""
    if request.path != "/":
        return json_error
    return json_1_1_error if "x-amz-target" in request.headers else xml_error


async def _http_request(request: Request) -> HttpRequest:
    raw_path: bytes = request.scope["raw_path"]
    query = request.scope["query_string"].decode("latin-1")
    return HttpRequest(
        method=request.method,
        path=raw_path.decode("latin-1"),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers=request.headers,
        body=await request.body(),
        scheme=request.url.scheme,
    )
