"""How an answer leaves: at once, cut off, byte by byte, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from math import ceil

from starlette.types import Receive, Send

from exporter.simulator.wire import Reply

TICK = 0.05
"""Seconds between two parts of an answer that drips, unless its bytes are further apart."""


async def deliver(reply: Reply, receive: Receive, send: Send) -> None:
    """Send an answer as its delivery says. What goes on for long ends when the caller leaves."""
    delivery = reply.delivery
    if delivery.head:
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        sent = reply.body[: delivery.sent]
        await _unless_left(receive, _send_body(sent, len(reply.body) - len(sent), delivery.rate, send))
    if delivery.hangs:
        await _left(receive)


async def _send_body(body: bytes, missing: int, rate: int, send: Send) -> None:
    """Send a part of a body; where some of it is missing the server closes the connection, as a broken one does."""
    size = ceil(rate * TICK) if rate else len(body)
    while rate and len(body) > size:
        await send({"type": "http.response.body", "body": body[:size], "more_body": True})
        body = body[size:]
        await asyncio.sleep(size / rate)
    await send({"type": "http.response.body", "body": body, "more_body": missing > 0})


def _headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    told = {"content-type": reply.content_type, "content-length": str(len(reply.body)), **reply.headers}
    return [(name.lower().encode(), value.encode()) for name, value in told.items()]


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unless_left(receive: Receive, work: Awaitable[None]) -> None:
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        leaving.cancel()
