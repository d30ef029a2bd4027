"""The errors of the JSON API, in the format of RFC 9457. They also have this format before a route is found."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from exporter.web.api.schemas import Fault, Problem
from exporter.web.responses import DATA_HEADERS, negotiated_response

PROBLEM = "application/problem+json"
# All versions of the JSON API, also unknown ones.
API = "/api"
_PROBLEM = TypeAdapter(Problem)
# The cure of an error without a text of its own.
_DETAILS: Mapping[int, str] = {
    400: "invalid target of the request; use a path such as /api/v1/operations",
    401: "a valid user name and password are required",
    404: "the exporter has no such path; /api/v1/openapi.json lists the paths",
    405: "the path accepts only the methods GET and HEAD",
    413: "the path accepts no request body; send a GET request without one",
    429: "too many requests; try again later, or increase the rate limit of the web configuration file",
    431: "the request line and the headers are too long; send fewer or shorter ones",
    500: "the exporter cannot respond because of a fault; its log has the cause",
    505: "use HTTP/1.1",
}


def problem_response(
    request: Request,
    status: int,
    detail: str | None = None,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response for an error of the JSON API."""
    title = HTTPStatus(status).phrase
    problem = Problem(type="about:blank", title=title, status=status, errors=errors, detail=detail)
    sent = {**DATA_HEADERS, "Content-Type": PROBLEM, **(headers or {})}
    return negotiated_response(request, [_PROBLEM.dump_json(problem)], sent, status)


def error_response(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None, prefix: str = ""
) -> Response:
    """Return a problem for a path of the JSON API, and plain text for any other path.

    ``prefix`` is that of all paths.
    """
    if f"{request.scope['path']}/".startswith(f"{prefix}{API}/"):
        return problem_response(request, status, _DETAILS.get(status), headers=headers)
    return PlainTextResponse(text, status, headers)
