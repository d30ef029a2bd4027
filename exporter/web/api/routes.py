"""The JSON: operations and cells for programs, and the OpenAPI document that describes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.core.errors import QueryError
from exporter.web import responses
from exporter.web.api.filtering import choose, choose_cells
from exporter.web.api.openapi import CELLS, DOCUMENT, JSON, OPERATIONS, PROBLEM, openapi
from exporter.web.api.query import Filter, Query, narrowed, read_query
from exporter.web.api.schemas import Cell, Cells, Fault, Operations, Problem
from exporter.web.context import Status

F = TypeVar("F", bound=Filter)

_CELLS = TypeAdapter(Cells)
_OPERATIONS = TypeAdapter(Operations)
_PROBLEM = TypeAdapter(Problem)


def api_routes(status: Status) -> list[Route]:
    """Return the routes of the JSON."""
    document = json.dumps(openapi(status.kinds)).encode()

    def operations(query: Query) -> bytes:
        return _OPERATIONS.dump_json(Operations.of(choose(status.newest().operations(), query)))

    def cells(wanted: Filter) -> bytes:
        lines = status.newest().cells()
        chosen = choose_cells(lines, wanted)
        return _CELLS.dump_json(Cells(cells=tuple(map(Cell.of, chosen)), total=len(lines)))

    async def described(request: Request) -> Response:
        return responses.answer(request, document, {**responses.DATA, "Content-Type": JSON})

    names = [kind.name for kind in status.kinds]
    return [
        Route(OPERATIONS, status.handler(_answering(narrowed(Query, names), operations))),
        Route(CELLS, status.handler(_answering(narrowed(Filter, names), cells))),
        Route(DOCUMENT, described),
    ]


def _answering(model: type[F], write: Callable[[F], bytes]) -> Callable[[Request], Response]:
    """Return what answers a request by JSON, or tells what is wrong with its parameters."""

    def respond_with(request: Request) -> Response:
        try:
            query = read_query(model, request.query_params.multi_items())
        except QueryError as error:
            return responses.answer(request, _problem(error), {**responses.DATA, "Content-Type": PROBLEM}, 400)
        return responses.answer(request, write(query), {**responses.DATA, "Content-Type": JSON})

    return respond_with


def _problem(error: QueryError) -> bytes:
    split = (line.partition(": ") for line in error.problems)
    faults = [Fault(parameter=parameter, detail=detail) for parameter, _, detail in split]
    return _PROBLEM.dump_json(Problem(type="about:blank", title="Bad Request", status=400, errors=faults))
