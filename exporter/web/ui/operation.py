"""The page of one operation: its progress, counts, dates and settings, and which of its items failed, and why."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.collector.failure_reader import FailureReader, PendingError
from exporter.collector.failures import Failures
from exporter.core.errors import ApiError, QueryError
from exporter.metrics.attention import Problem
from exporter.metrics.reasons import grouped
from exporter.metrics.summary import OperationDetails, OperationLine
from exporter.web.api.failures import UnknownOperationError, cell_of, operation_of_path, problems
from exporter.web.api.query import DEFAULT_ITEMS, Place, read_query
from exporter.web.context import Status
from exporter.web.responses import HTML_HEADERS, negotiated_response
from exporter.web.routes import text_route
from exporter.web.ui.links import page_links
from exporter.web.ui.rows import page_time
from exporter.web.ui.runbooks import RUNBOOKS
from exporter.web.waiting import in_turn

# An id can contain a slash, which clients send as %2F.
ROUTE = "/operations/{kind}/{id:path}"
TEMPLATE = "operation.html"
# The page waits so many seconds for the failed items. Later, it updates itself.
WAIT_SECONDS = 0.9
PENDING_UPDATE_SECONDS = 1
UPDATE_SECONDS = 10
# An open page reads the failed items again after this time, in seconds. Those of an ended operation no longer change.
ACTIVE_AGE, ENDED_AGE = 60.0, 3600.0

# The alerts on the problems that the page states. Their runbooks have the same names.
ALERTS: Mapping[Problem, str] = {
    Problem.FAILED: "AwsIotBulkOperationFailed",
    Problem.ABORTED: "AwsIotBulkOperationAborted",
    Problem.FAILING: "AwsIotBulkFailureRatioHigh",
    Problem.STALLED: "AwsIotBulkOperationStalled",
    Problem.FINISHED_WITH_FAILURES: "AwsIotBulkOperationFinishedWithFailures",
    Problem.STOPPED: "AwsIotBulkOperationStopped",
}
OUTCOME_UNKNOWN = "AwsIotBulkOperationOutcomeUnknown"

Render = Callable[..., str]


def operation_path(line: OperationLine) -> str:
    """Return the address of the page of an operation, relative to the root."""
    place = urlencode({"account": line.account, "region": line.region})
    return f"operations/{line.kind}/{quote(line.id, safe='')}?{place}"


def operation_route(status: Status, render: Render, metrics_path: str) -> Route:
    """Return the route of the pages. ``render`` returns the text of a template."""

    def respond(request: Request, status_code: int, content: dict[str, Any]) -> Response:
        root = _root(request)
        text = render(TEMPLATE, root=root, links=page_links(root, metrics_path), pages=status.links(), **content)
        return negotiated_response(request, [text.encode()], HTML_HEADERS, status_code)

    respond_in_turn = in_turn(respond)

    async def handle(request: Request) -> Response:
        try:
            place = read_query(Place, request.query_params.multi_items())
            details = await operation_of_path(status, request, place)
        except QueryError as error:
            return await respond_in_turn(request, 400, _problem(error.problems))
        except UnknownOperationError as error:
            return await respond_in_turn(request, 404, _problem([str(error)]))
        content = await _failed_items(status.failures(), details.line)
        return await respond_in_turn(request, 200, {**_described(details, status.now()), **content})

    return text_route(ROUTE, status.before_refresh(handle))


def _root(request: Request) -> str:
    """Return the relative address of the root. Only slashes in the address itself are levels, not encoded ones."""
    path = request.scope.get("raw_path") or request.url.path.encode()
    levels = path.removeprefix(request.scope.get("root_path", "").encode()).count(b"/")
    return "../" * (levels - 1)


def _problem(lines: Any) -> dict[str, Any]:
    return {"problems": lines, "line": None, "every": UPDATE_SECONDS}


def _described(details: OperationDetails, now: float) -> dict[str, Any]:
    line = details.line
    times = {
        "Created": line.created,
        "Scheduled start": details.scheduled_start,
        "Last change": line.updated,
        "Ended": line.completed,
        "May end": line.estimated_end,
        "Read": line.read,
    }
    facts = {"Target": line.target, "Input": line.input, "Reason code": line.reason_code, "Id": line.id}
    return {
        "line": line,
        "times": {name: page_time(at, now) for name, at in times.items() if at is not None},
        "counts": [count for count in details.counts if count[2]],
        "runbooks": [(name, f"{RUNBOOKS.removeprefix('/')}{name}") for name in _alerts(line)],
        "facts": [(name, text) for name, text in facts.items() if text] + list(details.settings),
        "page_time": lambda at: page_time(at, now),
        "json": f"api/v1/{operation_path(line).replace('?', '/failures?', 1)}",
    }


def _alerts(line: OperationLine) -> Iterator[str]:
    """Yield the names of the alerts on what the page states, the most urgent one first."""
    yield from (ALERTS[problem] for problem in line.problems)
    if line.possibly_failed and not line.active and Problem.STOPPED not in line.problems:
        yield OUTCOME_UNKNOWN


async def _failed_items(reader: FailureReader | None, line: OperationLine) -> dict[str, Any]:
    """Return the failed items for the template, or why there are none."""
    content: dict[str, Any] = {"problems": [], "failures": None, "groups": (), "state": "", "every": UPDATE_SECONDS}
    if reader is None:
        return {**content, "state": "off"}
    if not (line.failed or line.possibly_failed or line.failed_executions):
        return {**content, "state": "none"}
    cell, age = cell_of(reader, line), ACTIVE_AGE if line.active else ENDED_AGE
    try:
        failures: Failures = await reader.read(cell, DEFAULT_ITEMS, max_wait=WAIT_SECONDS, max_age=age)
    except PendingError:
        return {**content, "state": "pending", "every": PENDING_UPDATE_SECONDS}
    except ApiError as error:
        return {**content, "state": "refused", "problems": [str(error)]}
    shown = {"failures": failures.items, "omitted": failures.omitted, "distinct": failures.distinct}
    return {**content, **shown, "groups": grouped(failures.items), "problems": problems(reader, cell, failures)}
