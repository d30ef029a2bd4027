"""The failed items of an operation as JSON, and what its page shares with it: the operation that a path names."""

from collections.abc import Awaitable, Callable

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from exporter.collector.cells import Cell
from exporter.collector.failure_reader import FailureReader, PendingError, problem_text
from exporter.collector.failures import Failures, states_problem
from exporter.core.errors import ApiError, ExporterError, QueryError
from exporter.core.log import shortened
from exporter.metrics.reasons import grouped
from exporter.metrics.summary import OperationDetails, OperationLine
from exporter.web.api.query import FailuresQuery, Place, read_query
from exporter.web.api.schemas import OperationFailures
from exporter.web.context import Status
from exporter.web.waiting import cancelled_on_disconnect

FAILURES = "/api/v1/operations/{kind}/{id}/failures"
# An id can contain a slash, which clients send as %2F.
ROUTE = FAILURES.replace("{id}", "{id:path}")
NOT_ALLOWED = "the configuration does not allow it; set failures: true"
_FAILURES = TypeAdapter(OperationFailures)

# Returns a response with a JSON body, and one for a problem with a status.
Respond = Callable[[Request, bytes], Response]
Refuse = Callable[[Request, int, str], Response]


class UnknownOperationError(ExporterError):
    """The exporter knows no such operation."""


async def operation_of_path(status: Status, request: Request, place: Place) -> OperationDetails:
    """Return the operation that the path and the query name, after a refresh of what is due.

    Raises UnknownOperationError, or QueryError if several accounts or Regions have it.
    """
    kind, id = str(request.path_params["kind"]), str(request.path_params["id"])
    with cancelled_on_disconnect(request.scope):
        await status.refresh(lambda snapshot: snapshot.key.kind == kind)
    found = [details for details in status.overview().details(kind, id) if _is_in(details.line, place)]
    if not found:
        raise UnknownOperationError(f"the exporter knows no operation {shortened(id)} of this kind there")
    if len(found) > 1:
        places = ", ".join(f"{details.line.account} {details.line.region}" for details in found)
        raise QueryError(f"{name}: required; the operation is in {places}" for name in _unclear(found))
    return found[0]


def _is_in(line: OperationLine, place: Place) -> bool:
    return place.account in ("", line.account, line.account_id) and place.region in ("", line.region)


def _unclear(found: list[OperationDetails]) -> list[str]:
    """Return the parameters that distinguish the operations."""
    lines = [details.line for details in found]
    values = {"account": {line.account for line in lines}, "region": {line.region for line in lines}}
    return [name for name, different in values.items() if len(different) > 1]


def failures_handler(status: Status, respond: Respond, refuse: Refuse) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of the route. Raises QueryError for invalid parameters."""

    async def handle(request: Request) -> Response:
        query = read_query(FailuresQuery, request.query_params.multi_items())
        try:
            line = (await operation_of_path(status, request, query)).line
            # The wait can replace the configuration, and the reader must be of the same one as the operation.
            reader = status.failures()
            if reader is None:
                return refuse(request, 403, NOT_ALLOWED)
            cell = cell_of(reader, line)
            states = _known_states(cell, query.state)
            with cancelled_on_disconnect(request.scope):
                failures = await reader.read(cell, query.limit, query.offset, states)
        except UnknownOperationError as error:
            return refuse(request, 404, str(error))
        except PendingError as error:
            return refuse(request, 503, str(error))
        except ApiError as error:
            return refuse(request, 502, str(error))
        content = _response(line, failures, problems(reader, cell, failures))
        return respond(request, _FAILURES.dump_json(content, by_alias=True))

    return handle


def cell_of(reader: FailureReader, line: OperationLine) -> Cell:
    """Return the cell that reads the failed items of an operation.

    Raises QueryError if the configuration of the reader does not have the account or the Region.
    """
    return reader.target(line.kind, [line.id], line.region, line.account)


def _known_states(cell: Cell, state: str) -> tuple[str, ...]:
    """Return the requested state, or none for all failed items. Raises QueryError for a state of no failed item."""
    states = (state,) if state else ()
    if problem := states_problem(cell.kind, states):
        raise QueryError([f"state: {problem}"])
    return states


def _response(line: OperationLine, failures: Failures, problems: tuple[str, ...]) -> OperationFailures:
    return OperationFailures(
        operation=line,
        groups=grouped(failures.items),
        grouped_items=len(failures.items),
        items=failures.items,
        distinct_items=failures.distinct,
        failed_executions=failures.counts.failed_executions,
        offset=failures.offset,
        complete=failures.complete,
        omitted=failures.omitted,
        problems=problems,
    )


def problems(reader: FailureReader, cell: Cell, failures: Failures) -> tuple[str, ...]:
    """Return what could not be read, in words, with the missing IAM actions."""
    return tuple(problem_text(cell, error, reader.action) for error in failures.problems)
