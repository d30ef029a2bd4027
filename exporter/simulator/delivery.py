"""Send a response that is cut off, slow or never complete."""

import asyncio
from collections.abc import Awaitable
from math import ceil

from starlette.types import Receive, Send

from exporter.simulator.http_messages import HttpResponse

# Seconds between two parts of a slow response, if the rate is at least one byte in this time.
TICK = 0.05


async def deliver(response: HttpResponse, receive: Receive, send: Send) -> None:
    """Send a response as its delivery defines. Stop when the client disconnects."""
    delivery = response.delivery
    if delivery.head:
        await send({"type": "http.response.start", "status": response.status, "headers": _headers(response)})
        sent = response.body[: delivery.sent]
        await _until_disconnect(receive, _send_body(sent, len(response.body) - len(sent), delivery.rate, send))
    if delivery.hangs:
        await _disconnect(receive)


async def _send_body(body: bytes, missing: int, rate: int, send: Send) -> None:
    """Send a body. If bytes are missing, the server closes the connection before the announced length."""
    size = ceil(rate * TICK) if rate else len(body)
    while rate and len(body) > size:
        await send({"type": "http.response.body", "body": body[:size], "more_body": True})
        body = body[size:]
        await asyncio.sleep(size / rate)
    await send({"type": "http.response.body", "body": body, "more_body": missing > 0})


def _headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    length = str(len(response.body))
    headers = {"content-type": response.content_type, "content-length": length, **response.headers}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until_disconnect(receive: Receive, work: Awaitable[None]) -> None:
    task, disconnect = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait([task, disconnect], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        task.cancel()
        disconnect.cancel()
