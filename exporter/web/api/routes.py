"""The routes of the JSON API: operations, cells, and the OpenAPI document."""

import json
from functools import cache
from http import HTTPStatus

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.core.errors import QueryError
from exporter.web.api.failures import ROUTE as FAILURES_ROUTE
from exporter.web.api.failures import failures_handler
from exporter.web.api.filtering import incomplete_cells, select_cells, select_operations
from exporter.web.api.incomplete import counted_reasons, listed_cells
from exporter.web.api.openapi import CELLS, DOCUMENT, JSON, OPERATIONS, openapi
from exporter.web.api.problems import problem_response
from exporter.web.api.query import CellsQuery, Query, narrowed
from exporter.web.api.schemas import MAX_INCOMPLETE, Cells, Fault, Operations
from exporter.web.context import Status
from exporter.web.responses import DATA_HEADERS, negotiated_response
from exporter.web.routes import text_route

_CELLS = TypeAdapter(Cells)
_OPERATIONS = TypeAdapter(Operations)


def api_routes(status: Status, server: str = "") -> list[Route]:
    """Return the routes of the JSON API. ``server`` is the URL below which they are, if it is known."""

    @cache
    def document() -> bytes:
        return json.dumps(openapi(status.kinds, server)).encode()

    def operations(request: Request, query: Query) -> Response:
        overview = status.overview()
        selected = select_operations(overview.operations(), query)
        incomplete = incomplete_cells(overview.snapshots(), query)
        response = Operations(
            operations=selected.lines,
            matching=selected.matching,
            total=selected.total,
            complete=not incomplete,
            incomplete=listed_cells(incomplete),
            incomplete_omitted=max(0, len(incomplete) - MAX_INCOMPLETE),
            incomplete_reasons=counted_reasons(incomplete),
        )
        return _response(request, _OPERATIONS.dump_json(response, by_alias=True))

    def cells(request: Request, query: CellsQuery) -> Response:
        overview = status.overview()
        snapshots = overview.snapshots()
        lines, matching = select_cells(overview, query)
        response = Cells(
            cells=lines,
            matching=matching,
            total=len(snapshots),
            offset=query.offset,
            omitted=max(0, matching - query.offset - len(lines)),
            complete=not incomplete_cells(snapshots, query),
        )
        return _response(request, _CELLS.dump_json(response, by_alias=True))

    async def described(request: Request) -> Response:
        return _response(request, document())

    async def failures(request: Request) -> Response:
        try:
            return await find_failures(request)
        except QueryError as error:
            return _problem(request, error)

    find_failures = failures_handler(status, _response, _refusal)
    names = tuple(kind.name for kind in status.kinds)
    return [
        Route(OPERATIONS, status.handler(narrowed(Query, names), operations, _problem)),
        text_route(FAILURES_ROUTE, status.before_refresh(failures)),
        Route(CELLS, status.handler(narrowed(CellsQuery, names), cells, _problem)),
        Route(DOCUMENT, described),
    ]


def _response(request: Request, body: bytes) -> Response:
    return negotiated_response(request, [body], {**DATA_HEADERS, "Content-Type": JSON})


def _problem(request: Request, error: QueryError) -> Response:
    split = (line.partition(": ") for line in error.problems)
    faults = [Fault(parameter=parameter, detail=detail) for parameter, _, detail in split]
    return problem_response(request, HTTPStatus.BAD_REQUEST, errors=faults)


def _refusal(request: Request, status: int, detail: str) -> Response:
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem_response(request, status, detail, headers=headers)
