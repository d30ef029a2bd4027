"""The simulator as an ASGI application: who calls, what goes wrong, and which service answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.aws.models import STS, Models
from exporter.kinds.kind import Kind
from exporter.simulator.callers import Caller, identify
from exporter.simulator.delivery import deliver
from exporter.simulator.faults import Faults, delivered, edited_by, instead
from exporter.simulator.fleet import Fleet
from exporter.simulator.question import Question
from exporter.simulator.quota import Quotas
from exporter.simulator.rest import Rest
from exporter.simulator.scenario import Fault, Scenario
from exporter.simulator.skew import refusal
from exporter.simulator.sts import Sts
from exporter.simulator.wire import AT_ONCE, AwsError, Incoming, Reply


def application(
    scenario: Scenario,
    kinds: Sequence[Kind[Any]],
    models: Models,
    now: Callable[[], float] = time.time,
) -> Starlette:
    """Return the simulated AWS; ``now`` gives Unix seconds, and the scenario begins at once.

    Its state follows from the scenario and the time alone, but for the calls that quotas and faults have counted.
    """
    return Starlette(routes=[_Everything(_Simulator(scenario, kinds, models, now))])


class _Everything(BaseRoute):
    """A route for every path and method: the end of a line in a path, which stops Starlette's own, is but a name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Simulator:
    def __init__(
        self, scenario: Scenario, kinds: Sequence[Kind[Any]], models: Models, now: Callable[[], float]
    ) -> None:
        self._scenario = scenario
        self._now = now
        self._started = now()
        self._faults = Faults(scenario.faults)
        self._sts = Sts(scenario, models.operations(STS))
        fleet = Fleet(scenario.operations, kinds, self._started)
        self._rest = Rest(kinds, models, fleet, Quotas() if scenario.quotas else None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = await _incoming(Request(scope, receive))
        reply = await self._reply(incoming)
        if reply.delivery == AT_ONCE:
            await Response(reply.body, reply.status, reply.headers, reply.content_type)(scope, receive, send)
        else:
            await deliver(reply, receive, send)

    async def _reply(self, incoming: Incoming) -> Reply:
        await asyncio.sleep(self._scenario.latency)
        # Until the caller is known the path must tell the protocol: no service of rest-json has this one.
        refused = Sts.refused if incoming.path == "/" else Rest.refused
        try:
            caller = identify(incoming.headers, self._scenario.accounts, self._now())
            service = self._sts if caller.signing_name == STS else self._rest
            refused = service.refused
            question = service.question(incoming, caller)
        except AwsError as error:
            return refused(error)
        fault = self._faults.choose(caller, question.target, self._now() - self._started)
        if fault is None:
            return self._true(question, caller)
        await asyncio.sleep(fault.delay)
        return delivered(fault, self._faulty(fault, question, caller, incoming))

    def _true(self, question: Question, caller: Caller) -> Reply:
        try:
            return question.answer(caller, self._now())
        except AwsError as error:
            return question.refused(error)

    def _faulty(self, fault: Fault, question: Question, caller: Caller, incoming: Incoming) -> Reply:
        if fault.error is not None:
            return question.refused(AwsError(fault.error, fault.status or 400, fault.message))
        if fault.skew is not None:
            return question.refused(refusal(incoming.headers.get("x-amz-date", ""), fault.skew))
        if fault.pages is not None:
            question = question.never_ending(fault.pages)
        return instead(fault) or edited_by(fault, self._true(question, caller))


async def _incoming(request: Request) -> Incoming:
    raw_path: bytes = request.scope["raw_path"]
    query = request.scope["query_string"].decode("latin-1")
    return Incoming(
        method=request.method,
        path=raw_path.decode("latin-1"),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers=request.headers,
        body=await request.body(),
    )
