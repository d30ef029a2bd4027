"""A request as it came and a reply as it goes, free of the web framework."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request: the path still percent-encoded, the query decoded, header names in lower case."""

    method: str
    path: str
    query: Pairs
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about, as a fault names it; ``service`` is boto3's name.

    ``id`` is the operation's in the scenario, however the request names it; what names none there stays as it is, as
    the ARN of a role does.
    """

    service: str
    api: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer leaves: its head or nothing, so many bytes of its body (None: all), so many a second (0: at once).

    What ``hangs`` goes silent after that, and keeps the connection until the caller leaves.
    """

    head: bool = True
    sent: int | None = None
    rate: int = 0
    hangs: bool = False


AT_ONCE = Delivery()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how it leaves."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = AT_ONCE


class AwsError(Exception):
    """An error to answer with: AWS's code and HTTP status, a message, and members that some errors have."""

    def __init__(self, code: str, status: int, message: str, members: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.status = status
        self.message = message
        self.members = members or {}
        super().__init__(f"{status} {code}: {message}")


def request_id() -> str:
    """Return the name of a request, as AWS gives each one."""
    return str(uuid.uuid4())


def json_reply(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer of the protocol rest-json."""
    body = json.dumps(content, allow_nan=False).encode()
    return Reply(status, body, JSON, {"x-amzn-RequestId": request_id(), **(headers or {})})


def json_error(refusal: AwsError, message_member: str = "message") -> Reply:
    """Return an error of the protocol rest-json; its code goes in a header.

    AWS: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
    """
    content = {message_member: refusal.message, **refusal.members}
    return json_reply(refusal.status, content, {"x-amzn-ErrorType": refusal.code})
