"""The routes of the JSON API: operations, cells, and the OpenAPI document."""

import json
from collections.abc import Callable

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.core.errors import QueryError
from exporter.web.api.filtering import select_cells, select_operations
from exporter.web.api.openapi import CELLS, DOCUMENT, JSON, OPERATIONS, PROBLEM, openapi
from exporter.web.api.query import Filter, FilterT, Query, narrowed, read_query
from exporter.web.api.schemas import Cells, Fault, Operations, Problem
from exporter.web.context import Status
from exporter.web.responses import DATA_HEADERS, negotiated_response

_CELLS = TypeAdapter(Cells)
_OPERATIONS = TypeAdapter(Operations)
_PROBLEM = TypeAdapter(Problem)


def api_routes(status: Status) -> list[Route]:
    """Return the routes of the JSON API."""
    document = json.dumps(openapi(status.kinds)).encode()

    def operations(query: Query) -> bytes:
        selected = select_operations(status.overview().operations(), query)
        response = Operations(operations=selected.lines, matching=selected.matching, total=selected.total)
        return _OPERATIONS.dump_json(response, by_alias=True)

    def cells(query: Filter) -> bytes:
        lines = status.overview().cells()
        return _CELLS.dump_json(Cells(cells=select_cells(lines, query), total=len(lines)), by_alias=True)

    async def described(request: Request) -> Response:
        return _response(request, document)

    names = [kind.name for kind in status.kinds]
    return [
        Route(OPERATIONS, status.handler(_responder(narrowed(Query, names), operations))),
        Route(CELLS, status.handler(_responder(narrowed(Filter, names), cells))),
        Route(DOCUMENT, described),
    ]


def _responder(model: type[FilterT], body: Callable[[FilterT], bytes]) -> Callable[[Request], Response]:
    """Return a function that responds with JSON, or with the problems of invalid parameters."""

    def respond(request: Request) -> Response:
        try:
            query = read_query(model, request.query_params.multi_items())
        except QueryError as error:
            return _response(request, _problem(error), PROBLEM, 400)
        return _response(request, body(query))

    return respond


def _response(request: Request, body: bytes, media: str = JSON, status: int = 200) -> Response:
    return negotiated_response(request, [body], {**DATA_HEADERS, "Content-Type": media}, status)


def _problem(error: QueryError) -> bytes:
    split = (line.partition(": ") for line in error.problems)
    faults = [Fault(parameter=parameter, detail=detail) for parameter, _, detail in split]
    return _PROBLEM.dump_json(Problem(type="about:blank", title="Bad Request", status=400, errors=faults))
