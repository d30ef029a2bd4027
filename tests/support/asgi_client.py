"""Sends requests to an ASGI application without a socket, so also requests that no server accepts."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class AsgiResponse:
    """The response of an application. The names in ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text. Raises UnicodeDecodeError if it is not UTF-8."""
        return self.body.decode()


async def send_request(
    app: ASGIApp, path: str, query: str = "", headers: Headers = (), method: str = "GET"
) -> AsgiResponse:
    """Return the application's response to one request. Raises what the application raises."""
    sent: list[Message] = []
    received: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not received:
            await asyncio.get_running_loop().create_future()  # The client stays connected and silent.
        return received.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(_scope(path, query, headers, method), receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    received_headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return AsgiResponse(start["status"], received_headers, body)


def _scope(path: str, query: str, headers: Headers, method: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="surrogateescape"),
        "query_string": query.encode("latin-1", errors="replace"),
        "root_path": "",
        "headers": [(b"host", b"exporter:10098"), *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 10098),
    }
