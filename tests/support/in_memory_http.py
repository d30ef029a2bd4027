"""AWS without a network: botocore signs, retries and parses as ever, and a function answers what it would have sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.handlers import BUILTIN_HANDLERS

from tests.support.scripted_endpoint import HttpResponse

Respond = Callable[[str, AWSPreparedRequest], HttpResponse]
"""Gives the answer to a request, by the name of the API; what it raises is a failure of the network."""


@dataclass(frozen=True, slots=True)
class _Body:
    """A body as urllib3 gives it to botocore."""

    content: bytes

    def stream(self) -> Iterator[bytes]:
        """Give all of it."""
        yield self.content


@contextmanager
def respond_in_memory(respond: Respond) -> Iterator[None]:
    """Let a function answer every client of a session that is made while the block runs."""

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        found = respond(event_name.rpartition(".")[2], request)
        headers = HTTPHeaders.from_pairs(found.headers.items())
        if found.announced is not None:
            headers["content-length"] = str(found.announced)
        return AWSResponse(request.url, found.status, headers, _Body(found.body))

    handler = ("before-send", send)
    BUILTIN_HANDLERS.append(handler)
    try:
        yield
    finally:
        BUILTIN_HANDLERS.remove(handler)
