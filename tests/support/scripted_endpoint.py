"""An AWS endpoint with fixed responses. It shares no code with the simulator."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ACCOUNT_ID = "111122223333"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response. ``content_length`` replaces the true length in the header."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_length: int | None = None


def json_response(content: Any, status: int = 200) -> HttpResponse:
    """Return a JSON response."""
    return HttpResponse(json.dumps(content).encode(), status, {"content-type": "application/json"})


def error_response(code: str, status: int, message: str = "no") -> HttpResponse:
    """Return an error in the format of AWS's rest-json services."""
    return HttpResponse(json.dumps({"message": message}).encode(), status, {"x-amzn-errortype": code})


@dataclass
class ScriptedAws:
    """Responses by path; other paths are not found. ``requests`` contains the path and query of each request."""

    responses: dict[str, HttpResponse] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def find(self, target: str, path: str) -> HttpResponse:
        """Return the response for a path with its query, or else for the path alone."""
        found = self.responses.get(target) or self.responses.get(path)
        return found or error_response("ResourceNotFoundException", 404)

    def app(self) -> Starlette:
        """Return the ASGI application."""

        async def handle(request: Request) -> Response:
            query = f"?{request.url.query}" if request.url.query else ""
            target = request.url.path + query
            self.requests.append(target)
            # A server that closes a connection with unread data resets it, and the client can lose the response.
            await request.body()
            return _response(self.find(target, request.url.path))

        return Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])


def _response(found: HttpResponse) -> Response:
    response = Response(found.body, found.status, dict(found.headers))
    if found.content_length is not None:
        response.headers["content-length"] = str(found.content_length)
    return response
