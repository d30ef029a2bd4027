"""Answers of any size arrive whole, in one piece or in many, by gzip or without."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.web import responses
from exporter.web.responses import PIECE
from tests.support.servers import serving

BODIES = {
    "none": [],
    "empty": [b""],
    "small": [b"a\n", b"", b"b\n"],
    "many": [b"%d\n" % number for number in range(50_000)],
    "one piece": [b"x" * PIECE],
    "large": [b"head\n", bytes(range(256)) * 20_000, b"tail\n"],
}


def answering(parts: Sequence[bytes]) -> Starlette:
    """Return an application that answers with these parts."""

    async def answer(request: Request) -> Response:
        return responses.in_parts(request, parts, {"Content-Type": "text/plain"})

    return Starlette(routes=[Route("/", answer)])


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("parts", BODIES.values(), ids=BODIES)
def test_the_parts_arrive_in_order_and_whole(parts: Sequence[bytes], encoding: str) -> None:
    with serving(answering(parts)) as url, httpx.Client(headers={"Accept-Encoding": encoding}) as client:
        whole, head, again = (client.request(method, url) for method in ("GET", "HEAD", "GET"))
    assert whole.content == again.content == b"".join(parts)
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert whole.headers.get("content-encoding", "identity") == encoding
