"""HTTP requests and responses, independent of the web framework."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
JSON_1_1 = "application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. The path is percent-encoded, the query is decoded, and header names are in lower case.

    ``scheme`` is http or https.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    scheme: str = "http"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a response is sent.

    Without ``head``, nothing is sent. ``sent`` is the number of bytes of the body (None: all), and ``rate`` the
    number of bytes per second (0: no limit). If it ``hangs``, the connection stays open and silent until the client
    closes it.
    """

    head: bool = True
    sent: int | None = None
    rate: int = 0
    hangs: bool = False


NORMAL = Delivery()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response and how it is sent."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = NORMAL


class AwsError(Exception):
    """An AWS error: its code, HTTP status and message, and the additional members that some errors have."""

    def __init__(self, code: str, status: int, message: str, members: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.status = status
        self.message = message
        self.members = members or {}
        super().__init__(f"{status} {code}: {message}")


def request_id() -> str:
    """Return a new request id, as AWS gives one to each request."""
    return str(uuid.uuid4())


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a response of the protocol rest-json."""
    return _json(status, content, JSON, headers or {})


def json_error(error: AwsError, message_member: str = "message") -> HttpResponse:
    """Return an error response of the protocol rest-json. A header contains the error code.

    AWS: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
    """
    content = {message_member: error.message, **error.members}
    return json_response(error.status, content, {"x-amzn-ErrorType": error.code})


def json_1_1_response(status: int, content: Any) -> HttpResponse:
    """Return a response of the protocol JSON 1.1."""
    return _json(status, content, JSON_1_1, {})


def json_1_1_error(error: AwsError, message_member: str = "message") -> HttpResponse:
    """Return an error response of the protocol JSON 1.1. A member contains the error code.

    AWS: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization
    """
    return json_1_1_response(error.status, {"__type": error.code, message_member: error.message, **error.members})


def _json(status: int, content: Any, content_type: str, headers: Mapping[str, str]) -> HttpResponse:
    body = json.dumps(content, allow_nan=False).encode()
    return HttpResponse(status, body, content_type, {"x-amzn-RequestId": request_id(), **headers})
